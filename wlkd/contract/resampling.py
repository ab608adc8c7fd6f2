"""Samples of any rate at 16 kHz, for decoders."""

from __future__ import annotations

import numpy as np
import soxr

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Samples


class Resampler:
    """One stream's samples to 16 kHz, piece by piece, without a seam between the pieces."""

    def __init__(self, rate: int) -> None:
        """`rate`: Hz of what comes."""
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def resample(self, samples: Samples, *, last: bool = False) -> Samples:
        """`samples`, mono, shape (n,), at 16 kHz; some of them come out with later pieces. `last`: none follow."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.float32)
