"""Networks of the shapes of published ones, with random weights: as slow as the real ones, and nothing to download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from wlkd_simulstreaming.decoder import Cache, TextDecoder
from wlkd_simulstreaming.encoder import HEARD_SILENCE, TorchEncoder
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.memory import THINNED, Memory, Padded
from wlkd_simulstreaming.token_run import FixedRuns, GrowingRuns, TokenRuns, best_two, cuda_graphs
from wlkd_whisper.dims import WhisperDims

Start = tuple[Memory, Cache, Tensor]
"""Where a run of tokens begins, with the last token of each row."""


def _dims(mels: int, width: int, heads: int, layers: int, vocabulary: int) -> WhisperDims:
    return WhisperDims(mels, 1500, width, heads, layers, vocabulary, 448, width, heads, layers)


SHAPES = {
    "test": _dims(80, 32, 2, 2, 300),
    "base": _dims(80, 512, 8, 6, 51865),
    "medium": _dims(80, 1024, 16, 24, 51865),
    "large-v3": _dims(128, 1280, 20, 32, 51866),
}
"""`test` is none of Whisper's, but small enough for any machine."""

MARKS = 300
"""Tokens that begin with a mark."""

ALIGNMENT_HEADS = {
    "test": [(1, 0)],
    "base": [(3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)],
    "medium": [(13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)],
    "large-v3": [(7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6)],
}


@dataclass(frozen=True)
class Load:
    """What a step of one stream is. The defaults are what steps of base had with 24 streams in virtual time, rounded
    up to what all but one in ten had; a context of 64 tokens is added, which clips are too short to fill."""

    frames: int = 400
    """Encoded, 20 ms each: 8 s."""
    prefix: int = 110
    """Tokens read at once: context, what was committed, the last guess."""
    tokens: int = 12
    """Read one by one, until the last row of the batch is done."""

    @property
    def heard(self) -> int:
        """Frames that a token attends to: those, and the silence behind them."""
        return self.frames + HEARD_SILENCE // THINNED


@dataclass(frozen=True)
class Network:
    """Both halves on one device."""

    name: str
    dims: WhisperDims
    encoder: TorchEncoder
    decoder: TextDecoder
    device: torch.device
    dtype: torch.dtype

    @property
    def marks(self) -> Tensor:
        """As many as a real vocabulary has."""
        return torch.arange(MARKS, device=self.device)

    def mel(self, rows: int, frames: int) -> Tensor:
        """Spectrograms of noise for `frames` states."""
        return torch.randn(rows, self.dims.n_mels, 2 * frames, device=self.device)

    def states(self, rows: int, frames: int) -> list[Tensor]:
        """Encodings of noise."""
        return list(torch.randn(rows, frames, self.dims.n_audio_state, device=self.device, dtype=self.dtype))

    def remember(self, rows: int, load: Load) -> Padded:
        """What the decoder attends to."""
        memory = self.decoder.memory(self.states(rows, load.frames), [load.frames - 50] * rows, [HEARD_SILENCE] * rows)
        assert isinstance(memory, Padded)
        return memory

    def read(self, memory: Memory, load: Load) -> Start:
        """The prefix; with room for the tokens that follow."""
        rows = len(memory)
        cache = self.decoder.cache(memory, load.prefix + load.tokens)
        tokens = torch.randint(self.dims.n_vocab, (rows, load.prefix), device=self.device)
        hidden, attention = self.decoder.forward(memory, cache, tokens, torch.ones_like(tokens) > 0, 1)
        said = best_two(self.decoder.logits(hidden[:, -1:]), attention, self.marks)
        return memory, cache, said[:, :, 0].long()

    def growing(self) -> TokenRuns:
        """How the CPU goes on token by token."""
        return GrowingRuns(self.decoder, torch.zeros(self.dims.n_vocab, device=self.device), self.marks)

    def fixed(self) -> TokenRuns:
        """How a GPU does; the CPU, which records nothing, does the same work."""
        capture = cuda_graphs(self.device) if self.device.type == "cuda" else _plainly
        return FixedRuns(self.decoder, torch.zeros(self.dims.n_vocab, device=self.device), self.marks, capture)


def _plainly(work: Callable[[], None]) -> Callable[[], None]:
    return work


def network(name: str, device: torch.device) -> Network:
    """With the same weights at every call, up to the precision of the device; `meta`: without any."""
    dims = SHAPES[name]
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    torch.manual_seed(5)
    weights = _weights(dims, device, dtype)
    encoder = TorchEncoder(dims, weights, device, dtype, FloatLinear)
    decoder = TextDecoder(dims, weights, ALIGNMENT_HEADS[name], device, dtype, FloatLinear, padded=True)
    made = Network(name, dims, encoder, decoder, device, dtype)
    decoder.remember_silence(made.states(1, dims.n_audio_ctx)[0])
    return made


def _weights(dims: WhisperDims, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """By the names of OpenAI's checkpoints."""
    made: dict[str, Tensor] = {}

    def linear(name: str, out: int, *inputs: int, bias: bool = True) -> None:
        # So that activations keep their size from layer to layer, as trained ones do.
        fan_in = inputs[0] * (inputs[1] if len(inputs) > 1 else 1)
        made[f"{name}.weight"] = torch.randn(out, *inputs, device=device, dtype=dtype) * fan_in**-0.5
        if bias:
            made[f"{name}.bias"] = torch.zeros(out, device=device, dtype=dtype)

    def norm(name: str, width: int) -> None:
        made[f"{name}.weight"] = torch.ones(width, device=device, dtype=dtype)
        made[f"{name}.bias"] = torch.zeros(width, device=device, dtype=dtype)

    def block(name: str, width: int, attentions: tuple[str, ...]) -> None:
        for attention in attentions:
            norm(f"{name}.{attention}_ln", width)
            for part in ("query", "key", "value", "out"):
                linear(f"{name}.{attention}.{part}", width, width, bias=part != "key")
        norm(f"{name}.mlp_ln", width)
        linear(f"{name}.mlp.0", 4 * width, width)
        linear(f"{name}.mlp.2", width, 4 * width)

    for n in range(dims.n_audio_layer):
        block(f"encoder.blocks.{n}", dims.n_audio_state, ("attn",))
    for n in range(dims.n_text_layer):
        block(f"decoder.blocks.{n}", dims.n_text_state, ("attn", "cross_attn"))
    linear("encoder.conv1", dims.n_audio_state, dims.n_mels, 3)
    linear("encoder.conv2", dims.n_audio_state, dims.n_audio_state, 3)
    norm("encoder.ln_post", dims.n_audio_state)
    norm("decoder.ln", dims.n_text_state)
    linear("decoder.token_embedding", dims.n_vocab, dims.n_text_state, bias=False)
    made["decoder.positional_embedding"] = torch.randn(dims.n_text_ctx, dims.n_text_state, device=device, dtype=dtype)
    return made
