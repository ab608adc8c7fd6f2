"""The one clock of wlkd, and what every part agrees on about audio."""

from __future__ import annotations

import numpy as np

from wlkd.contract.types import Samples

SAMPLE_RATE = 16_000
"""Hz. Every sample index in wlkd counts at this rate."""


def seconds(samples: int) -> float:
    """Duration of `samples`, for the wire, logs and people."""
    return samples / SAMPLE_RATE


def samples(seconds: float) -> int:
    """The nearest whole number of samples in `seconds`."""
    return round(seconds * SAMPLE_RATE)


def silence(count: int) -> Samples:
    """`count` samples of digital silence."""
    return np.zeros(count, dtype=np.float32)
