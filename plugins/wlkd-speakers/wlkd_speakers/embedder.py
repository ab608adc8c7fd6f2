"""From features to a voice vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wlkd_speakers.catalogue import CAMPPLUS
from wlkd_speakers.fbank import Features
from wlkd_speakers.network import build
from wlkd_speakers.runtime import load
from wlkd_speakers.telephone import without_telephone
from wlkd_speakers.voices import Vector
from wlkd_speakers.weights import read_weights


class Embedder:
    """One network for all streams; safe to call from several threads. About 60 MB."""

    def __init__(self, path: Path) -> None:
        """Load the weights at `path`. Raises `ProvisionError`."""
        self._session = load(build(read_weights(path, CAMPPLUS)), path)

    def voice(self, features: Features) -> Vector:
        """The voice in `features`, shape (n, 80), of length 1."""
        return without_telephone(self.vector(features))

    def vector(self, features: Features) -> Vector:
        """What the network says of `features`, of length 1."""
        centred = (features - features.mean(axis=0))[np.newaxis]
        [[vector]] = self._session.run(["voice"], {"features": centred})
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
