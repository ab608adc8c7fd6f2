"""Whether bytes without a container look like raw samples, for a client that forgot to say so."""

from __future__ import annotations

import numpy as np

ENOUGH_BYTES = 2048
"""Some tenths of a second: with less, anything looks like anything."""
QUIETEST = 1e-9
"""Part of full scale: smaller floats are not audio, but other bytes read as floats."""


def raw_samples(data: bytes | bytearray) -> str | None:
    """The encoding, `pcm` or `f32le`, that `data` looks like; None: neither. `pcm` is 16-bit little-endian.

    Samples of sound change little from one to the next, or are quiet: their upper bytes are then 0 or 255. Of
    compressed data neither is true.
    """
    if len(data) < ENOUGH_BYTES:
        return None
    whole = bytes(data[: len(data) // 4 * 4])
    with np.errstate(invalid="ignore"):
        floats = np.abs(np.frombuffer(whole, "<f4").astype(np.float64))
        plausible = (floats == 0) | ((floats > QUIETEST) & (floats <= 1))
    if plausible.mean() > 0.95 and floats.any():
        return "f32le"
    samples = np.frombuffer(whole, "<i2").astype(np.float64)
    quiet = np.mean(np.abs(samples) < 256) > 0.6
    # The change of unrelated values has twice their variance.
    return "pcm" if quiet or np.mean(np.diff(samples) ** 2) < 1.5 * samples.var() else None
