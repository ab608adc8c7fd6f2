"""The audio encoder, on CTranslate2 or in PyTorch: (rows, mel bins, mel frames) to (rows, mel frames / 2, width)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import ctranslate2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from wlkd_whisper.dims import WhisperDims

from wlkd_simulstreaming.layers import FeedForward, MakeLinear, Weights, stacked

THREADS_A_ROW = 2
"""On a CPU that many have enough to do with one row. Eight rows of 7, 9 and 11 s took two threads 0.82, 1.09 and 1.44 s
as one batch of base and 0.80, 1.13 and 1.58 s one by one, with the same states, and 20 MiB instead of 100 for 9 s:
CTranslate2 has the scores of all heads of a batch in memory at once."""

STRIDE = 2
"""Mel frames that make a frame of states."""
CONVOLVED = 1
"""Frames on each side that the convolutions reach into."""


HEARD_SILENCE = 300
"""Frames of silence that the decoder hears behind a window that is not encoded as one of 30 s. With all of it, base
makes more errors there."""


class Encoder(ABC):
    """Encodes rows of equal length; any even number of mel frames up to 3000."""

    heard_silence = HEARD_SILENCE
    """Frames of silence that the decoder is to hear behind the states, where there are fewer than 1500 of them."""

    @abstractmethod
    def __call__(self, mel: Tensor) -> Tensor:
        """`mel` (rows, bins, frames), float32, anywhere; the states lie where the decoder wants them."""


class CTranslate2Encoder(Encoder):
    """The encoder of a CTranslate2 Whisper model."""

    def __init__(
        self, model: ctranslate2.models.Whisper, device: torch.device, dtype: torch.dtype, threads: int = 1
    ) -> None:
        """`device` and `dtype` are the decoder's; `threads`: those of a call, on a CPU."""
        self._rows = -(-threads // THREADS_A_ROW)
        self._model = model
        self._device = device
        self._dtype = dtype

    def __call__(self, mel: Tensor) -> Tensor:
        if self._device.type == "cuda":
            # Both libraries know __cuda_array_interface__: no copy through the host. CTranslate2 has a stream of its
            # own, which does not wait for PyTorch's; the copy outlives CTranslate2's view.
            features = mel.to(self._device).contiguous()
            torch.cuda.current_stream(self._device).synchronize()
            states = self._model.encode(ctranslate2.StorageView.from_array(features))
            return torch.as_tensor(states, device=self._device).to(self._dtype, copy=True)
        return torch.cat([self._on_cpu(rows) for rows in torch.split(mel, self._rows)])

    def _on_cpu(self, mel: Tensor) -> Tensor:
        states = self._model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.numpy())))
        return torch.from_numpy(np.array(states)).to(self._dtype)


class TorchEncoder(Encoder):
    """Whisper's encoder (Radford et al. 2022, section 2.2) from the decoder's checkpoint."""

    def __init__(
        self,
        dims: WhisperDims,
        weights: dict[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        make_linear: MakeLinear,
    ) -> None:
        own = Weights(weights, "encoder", device, dtype)
        self.blocks = [
            EncoderBlock(own, f"blocks.{n}.", dims.n_audio_head, make_linear) for n in range(dims.n_audio_layer)
        ]
        self.normalised = own.norm("ln_post")
        self._convolutions = [
            (own[f"conv{n}.weight"], own[f"conv{n}.bias"], stride) for n, stride in ((1, 1), (2, STRIDE))
        ]
        self._device = device
        self._dtype = dtype
        self._positions = sinusoids(dims.n_audio_ctx, dims.n_audio_state).to(device, dtype)

    def __call__(self, mel: Tensor) -> Tensor:
        x = self.embedded(mel, range(mel.shape[2] // STRIDE))
        for block in self.blocks:
            x = block.mixed(x, *block.projected(x))
        return self.normalised(x)

    def embedded(self, mel: Tensor, frames: range) -> Tensor:
        """What enters the first layer of `frames` of `mel` (rows, bins, …): (rows, frames, width)."""
        first = max(frames.start - CONVOLVED, 0)
        x = mel[..., STRIDE * first : STRIDE * (frames.stop + CONVOLVED)].to(self._device, self._dtype)
        for weight, bias, stride in self._convolutions:
            x = F.gelu(F.conv1d(x, weight, bias, stride=stride, padding=1))
        x = x.transpose(1, 2)[:, frames.start - first : frames.stop - first]
        return x + self._positions[frames.start : frames.stop]


class EncoderBlock:
    """One layer of the encoder, by the checkpoint's names."""

    def __init__(self, weights: Weights, prefix: str, heads: int, make: MakeLinear) -> None:
        self._heads = heads
        self._attention_norm = weights.norm(f"{prefix}attn_ln")
        self._qkv = make(*stacked(weights, prefix + "attn.", ("query", "key", "value")))
        self._out = weights.linear(f"{prefix}attn.out", make)
        self._feed_forward = FeedForward(weights, prefix, make)

    def projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of `x`, each like `x`: (rows, frames, width)."""
        query, key, value = self._qkv(self._attention_norm(x)).chunk(3, dim=-1)
        return query, key, value

    def attention(self, query: Tensor, keys: Tensor) -> Tensor:
        """How much each query attends to each of the keys: (rows, heads, queries, keys)."""
        scores = self._split(query) @ self._split(keys).mT
        return (scores / math.sqrt(query.shape[-1] // self._heads)).softmax(-1)

    def mixed(self, x: Tensor, query: Tensor, keys: Tensor, values: Tensor, weight: Tensor | None = None) -> Tensor:
        """What follows `x` when its queries attend to `keys` and `values`, which may be of more frames; `weight`
        (frames of the keys,) is added to scores."""
        mask = None if weight is None else weight.expand(1, 1, query.shape[1], -1)
        attended = F.scaled_dot_product_attention(self._split(query), self._split(keys), self._split(values), mask)
        return self._feed_forward(x + self._out(attended.transpose(1, 2).flatten(2)))

    def _split(self, x: Tensor) -> Tensor:
        """(rows, frames, width) to (rows, heads, frames, head width)."""
        return x.view(*x.shape[:2], self._heads, -1).transpose(1, 2)


def sinusoids(length: int, width: int) -> Tensor:
    """Positions as sines, then cosines, of wavelengths 2π to 20000π: (length, width)."""
    rates = torch.exp(torch.arange(width // 2) * (-math.log(10_000) / (width // 2 - 1)))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
