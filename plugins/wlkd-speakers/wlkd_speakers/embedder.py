"""From features to a voice vector, through ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from wlkd import ProvisionError
from wlkd_speakers.fbank import Features
from wlkd_speakers.network import build
from wlkd_speakers.telephone import without_telephone
from wlkd_speakers.voices import Vector
from wlkd_speakers.weights import read_weights

# Read when the library is loaded: without it, it reports over the network what it does.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # type: ignore[import-untyped]


class Embedder:
    """One network for all streams; safe to call from several threads. About 60 MB."""

    def __init__(self, path: Path) -> None:
        """Load the weights at `path`. Raises `ProvisionError`."""
        options = onnxruntime.SessionOptions()
        # One core a call: several streams keep the others busy, and recognition needs them too.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        network = build(read_weights(path))
        try:
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise ProvisionError(f"{path}: not the weights of CAM++: {error}") from error

    def voice(self, features: Features) -> Vector:
        """The voice in `features`, shape (n, 80), of length 1."""
        return without_telephone(self.vector(features))

    def vector(self, features: Features) -> Vector:
        """What the network says of `features`, of length 1."""
        centred = (features - features.mean(axis=0))[np.newaxis]
        [[vector]] = self._session.run(["voice"], {"features": centred})
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
