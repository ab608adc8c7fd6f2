"""Log-mel spectrograms as Whisper was trained on them (Radford et al. 2022, section 2.2).

25 ms Hann windows every 10 ms, Slaney's mel scale, log10, the top 8 decades, scaled to about ±1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wlkd import SAMPLE_RATE
from wlkd.contract.types import Samples

FFT_SAMPLES = 400
HOP_SAMPLES = 160
MAX_MEL_FRAMES = 3000
"""30 s, the length Whisper was trained on."""
SILENCE_LOG = -10.0
"""log10 of the smallest power that counts."""


class LogMel:
    """Computes spectrograms of `bins` mel bins, on the device where they are encoded: on one core, a window takes
    longer than a GPU takes to encode it."""

    def __init__(self, bins: int, device: torch.device | None = None) -> None:
        """`device`: the CPU by default."""
        self.bins = bins
        self._device = device or torch.device("cpu")
        self._window = torch.hann_window(FFT_SAMPLES).to(self._device)
        self._filters = mel_filters(bins).to(self._device)

    def __call__(self, samples: Samples, mel_frames: int) -> Tensor:
        """Returns (bins, mel_frames), float32: `samples`, then digital silence up to `mel_frames`."""
        audio = torch.zeros(mel_frames * HOP_SAMPLES, device=self._device)
        audio[: len(samples)] = torch.from_numpy(samples[: len(audio)])
        # The last frame of the transform is centred behind the end; Whisper drops it.
        spectrum = torch.stft(audio, FFT_SAMPLES, HOP_SAMPLES, window=self._window, return_complex=True)[:, :-1]
        power = self._filters @ (spectrum.real**2 + spectrum.imag**2)
        log = power.clamp(min=10**SILENCE_LOG).log10()
        log = torch.maximum(log, log.max() - 8.0)
        return (log + 4.0) / 4.0

    def silence(self, mel_frames: int) -> Tensor:
        """The spectrogram of digital silence, (bins, mel_frames)."""
        return torch.full((self.bins, mel_frames), (SILENCE_LOG + 4.0) / 4.0, device=self._device)


def mel_filters(bins: int) -> Tensor:
    """Triangular filters of equal area on Slaney's mel scale, 0 to 8 kHz: (bins, FFT_SAMPLES // 2 + 1)."""
    linear_hz = 200.0 / 3  # Hz per mel below 1 kHz
    knee_hz, knee_mel = 1000.0, 15.0
    log_step = math.log(6.4) / 27  # above 1 kHz, per mel
    top_mel = knee_mel + math.log(SAMPLE_RATE / 2 / knee_hz) / log_step
    mels = torch.linspace(0.0, top_mel, bins + 2, dtype=torch.float64)
    edges = torch.where(mels < knee_mel, mels * linear_hz, knee_hz * torch.exp(log_step * (mels - knee_mel)))
    bands = torch.linspace(0.0, SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bands - low) / (centre - low)
    falling = (high - bands) / (high - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * (2.0 / (high - low))).float()
