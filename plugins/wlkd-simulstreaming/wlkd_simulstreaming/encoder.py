"""The audio encoder, on CTranslate2 or in PyTorch: (rows, mel bins, mel frames) to (rows, mel frames / 2, width)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import ctranslate2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wlkd_simulstreaming.checkpoint import Dims


class Encoder(ABC):
    """Encodes rows of equal length; any even number of mel frames up to 3000."""

    @abstractmethod
    def __call__(self, mel: Tensor) -> Tensor:
        """`mel` (rows, bins, frames), float32 on the CPU; the states lie where the decoder wants them."""


class CTranslate2Encoder(Encoder):
    """The encoder of a CTranslate2 Whisper model."""

    def __init__(self, model: ctranslate2.models.Whisper, device: torch.device, dtype: torch.dtype) -> None:
        """`device` and `dtype` are the decoder's."""
        self._model = model
        self._device = device
        self._dtype = dtype

    def __call__(self, mel: Tensor) -> Tensor:
        features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.numpy()))
        states = self._model.encode(features)
        if self._device.type == "cuda":
            # The view exposes __cuda_array_interface__: no copy through the host. The clone outlives the view.
            return torch.as_tensor(states, device=self._device).to(self._dtype, copy=True)
        return torch.from_numpy(np.array(states)).to(self._dtype)


class TorchEncoder(Encoder):
    """Whisper's encoder (Radford et al. 2022, section 2.2) from the decoder's checkpoint."""

    def __init__(self, dims: Dims, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> None:
        self._weights = {
            name.removeprefix("encoder."): weight.to(device, dtype)
            for name, weight in weights.items()
            if name.startswith("encoder.")
        }
        self._layers = dims.n_audio_layer
        self._heads = dims.n_audio_head
        self._device = device
        self._dtype = dtype
        self._positions = sinusoids(dims.n_audio_ctx, dims.n_audio_state).to(device, dtype)

    def __call__(self, mel: Tensor) -> Tensor:
        w = self._weights
        x = mel.to(self._device, self._dtype)
        x = F.gelu(F.conv1d(x, w["conv1.weight"], w["conv1.bias"], padding=1))
        x = F.gelu(F.conv1d(x, w["conv2.weight"], w["conv2.bias"], stride=2, padding=1))
        x = x.transpose(1, 2)
        x = x + self._positions[: x.shape[1]]
        for n in range(self._layers):
            x = x + self._attend(f"blocks.{n}.attn.", self._norm(f"blocks.{n}.attn_ln.", x))
            hidden = F.gelu(self._linear(f"blocks.{n}.mlp.0.", self._norm(f"blocks.{n}.mlp_ln.", x)))
            x = x + self._linear(f"blocks.{n}.mlp.2.", hidden)
        return self._norm("ln_post.", x)

    def _attend(self, prefix: str, x: Tensor) -> Tensor:
        query, key, value = (
            self._linear(f"{prefix}{part}.", x).view(*x.shape[:2], self._heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self._linear(f"{prefix}out.", attended.transpose(1, 2).flatten(2))

    def _linear(self, prefix: str, x: Tensor) -> Tensor:
        return F.linear(x, self._weights[f"{prefix}weight"], self._weights.get(f"{prefix}bias"))

    def _norm(self, prefix: str, x: Tensor) -> Tensor:
        weight = self._weights[f"{prefix}weight"]
        return F.layer_norm(x, weight.shape, weight, self._weights[f"{prefix}bias"])


def sinusoids(length: int, width: int) -> Tensor:
    """Positions as sines, then cosines, of wavelengths 2π to 20000π: (length, width)."""
    rates = torch.exp(torch.arange(width // 2) * (-math.log(10_000) / (width // 2 - 1)))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
