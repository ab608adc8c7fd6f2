"""Log-mel spectrograms as Whisper was trained on them (Radford et al. 2022, section 2.2), of eight seconds.

25 ms Hann windows every 10 ms, 80 bins on Slaney's mel scale, log10, the top 8 decades, scaled to about ±1. The samples
are brought to mean 0 and variance 1 before, as Smart Turn wants them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wlkd import SAMPLE_RATE, Samples

SECONDS = 8
BINS = 80
FFT, HOP = 400, 160
Floats = NDArray[np.float64]


def features(samples: Samples) -> NDArray[np.float32]:
    """Of the last `SECONDS` of `samples`, silence before them where they are shorter; shape (1, 80, 800)."""
    audio = np.zeros(SECONDS * SAMPLE_RATE, np.float32)
    kept = samples[-len(audio) :]
    audio[len(audio) - len(kept) :] = kept
    audio = (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)
    padded = np.pad(audio.astype(np.float64), FFT // 2, mode="reflect")
    # The last frame is centred behind the end; Whisper drops it.
    frames = sliding_window_view(padded, FFT)[::HOP][:-1]
    power = np.abs(np.fft.rfft(frames * WINDOW, axis=1)) ** 2
    log = np.log10(np.maximum(power @ FILTERS, 1e-10)).T
    scaled: NDArray[np.float32] = ((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return scaled[np.newaxis]


def mel_filters() -> Floats:
    """Triangular filters of equal area, 0 to 8 kHz, shape (FFT // 2 + 1, BINS)."""
    linear_hz, knee_hz, knee_mel, log_step = 200.0 / 3, 1000.0, 15.0, math.log(6.4) / 27
    top = knee_mel + math.log(SAMPLE_RATE / 2 / knee_hz) / log_step
    mels = np.linspace(0.0, top, BINS + 2)
    edges = np.where(mels < knee_mel, mels * linear_hz, knee_hz * np.exp(log_step * (mels - knee_mel)))
    bands = np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1)[:, np.newaxis]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    slopes = np.minimum((bands - low) / (centre - low), (high - bands) / (high - centre))
    filters: Floats = np.maximum(slopes, 0.0) * (2.0 / (high - low))
    return filters


WINDOW: Floats = np.hanning(FFT + 1)[:-1]
FILTERS = mel_filters()
