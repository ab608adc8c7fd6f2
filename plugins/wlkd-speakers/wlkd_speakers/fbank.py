"""Kaldi's filter bank features, as CAM++ was trained on them (`compute-fbank-feats --num-mel-bins=80 --dither=0`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wlkd import SAMPLE_RATE, Samples

MEL_BINS = 80
STEP = SAMPLE_RATE // 100
"""Samples from one feature to the next: 10 ms."""
WINDOW = SAMPLE_RATE * 25 // 1000
"""Samples that one feature hears: 25 ms."""
FFT = 512
LOWEST_HZ = 20.0
PRE_EMPHASIS = 0.97
FLOOR = np.finfo(np.float32).eps
"""Energies below it count as this much. Kaldi counts samples as integers of 16 bits; 3D-Speaker, like wlkd, from -1 to
1, so that the floor lies where the noise of 16 bits does. Digital silence below it would drown out a voice."""

Features = NDArray[np.float32]
"""Log energies, shape (n, MEL_BINS)."""


def fbank(samples: Samples) -> Features:
    """Features of `samples`, one for each whole window: 1 + (len - WINDOW) // STEP, or none."""
    if len(samples) < WINDOW:
        return np.zeros((0, MEL_BINS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - PRE_EMPHASIS * before) * _POVEY, FFT)[:, : FFT // 2]
    energies = (spectrum.real**2 + spectrum.imag**2) @ _MEL
    return np.asarray(np.log(np.maximum(energies, FLOOR)), dtype=np.float32)


def _povey() -> NDArray[np.float32]:
    """Kaldi's window: a Hann window to the power of 0.85, so that its ends are not quite so flat."""
    return np.asarray(np.hanning(WINDOW) ** 0.85, dtype=np.float32)


def _mel_filters() -> NDArray[np.float32]:
    """Triangles that are even on the mel scale, shape (FFT // 2, MEL_BINS)."""
    low, high = _mel(np.array([LOWEST_HZ, SAMPLE_RATE / 2]))
    edges = np.linspace(low, high, MEL_BINS + 2)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(FFT // 2) * SAMPLE_RATE / FFT)[:, np.newaxis]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0), dtype=np.float32)


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(hertz / 700)


_POVEY = _povey()
_MEL = _mel_filters()
