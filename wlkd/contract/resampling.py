"""Samples of any rate at 16 kHz, for decoders."""

from __future__ import annotations

import numpy as np
import soxr

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import Samples

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Hz. Below, one byte would swell to more than 16 samples; above, no sound card goes."""


class Resampler:
    """One stream's samples to 16 kHz, piece by piece, without a seam between the pieces."""

    def __init__(self, rate: int) -> None:
        """`rate`: Hz of what comes. Raises `SessionError("bad_request")`: clients choose it, and at 7 Hz a kilobyte is
        an hour."""
        if not MIN_RATE <= rate <= MAX_RATE:
            raise SessionError(Code.BAD_REQUEST, f"sample rate {rate} is not between {MIN_RATE} and {MAX_RATE}")
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def resample(self, samples: Samples, *, last: bool = False) -> Samples:
        """`samples`, mono, shape (n,), at 16 kHz; some of them come out with later pieces. `last`: none follow."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.float32)
