"""Whisper's text decoder (Radford et al. 2022; Vaswani et al. 2017) for a batch of streams.

Rows are padded on the left, so that one more token is one more cache slot for every row; positions and the slots
that hold real tokens are kept per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from wlkd_whisper.dims import WhisperDims

from wlkd_simulstreaming.layers import Block, MakeLinear, Weights, stacked
from wlkd_simulstreaming.memory import MASKED, THINNED, Memory, Padded, Ragged, part

MORE_SLOTS = 32
"""That a cache grows by, at least."""


@dataclass
class Cache:
    """Self-attention of the tokens so far. Grows where it has to."""

    keys: list[Tensor]
    """Per layer (rows, heads, slots, head width); slots beyond `length` are free."""
    values: list[Tensor]
    valid: Tensor
    """(rows, slots): whether a slot holds a token of the row; padding and rejected tokens do not count."""
    positions: Tensor
    """(rows,): position of each row's next token."""
    length: int = 0
    """Slots in use."""

    def rows(self, index: Tensor) -> Cache:
        """The rows `index` alone."""
        return Cache(
            [self._rows(keys, index) for keys in self.keys],
            [self._rows(values, index) for values in self.values],
            self.valid[index],
            self.positions[index],
            self.length,
        )

    def extend(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Take the next slots for tokens of which `real` (rows, n) are not padding.

        Returns their positions (rows, n), and which slots each of them may see, (rows, n, slots in use).
        """
        before, self.length = self.length, self.length + real.shape[1]
        if self.length > self.valid.shape[1]:
            self._grow(max(self.length - self.valid.shape[1], MORE_SLOTS))
        self.valid[:, before : self.length] = real
        order = real.long().cumsum(1)
        positions = self.positions[:, None] + order - 1
        self.positions = self.positions + order[:, -1]
        slots = torch.arange(self.length, device=real.device)
        return positions, self.valid[:, None, : self.length] & (slots <= slots[before:, None])

    def store(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put the `keys` and `values` (rows, heads, n, head width) of a layer into the slots that `extend` took last.

        Returns those of all slots in use.
        """
        before = self.length - keys.shape[2]
        self.keys[layer][:, :, before : self.length] = keys
        self.values[layer][:, :, before : self.length] = values
        return self.keys[layer][:, :, : self.length], self.values[layer][:, :, : self.length]

    def _grow(self, more: int) -> None:
        """Add `more` free slots."""
        self.keys = [F.pad(keys, (0, 0, 0, more)) for keys in self.keys]
        self.values = [F.pad(values, (0, 0, 0, more)) for values in self.values]
        self.valid = F.pad(self.valid, (0, more))

    def _rows(self, slots: Tensor, index: Tensor) -> Tensor:
        """The rows `index` of the keys or values of a layer. Of free slots nothing is touched: few are ever used."""
        chosen = slots.new_empty(len(index), *slots.shape[1:])
        chosen[:, :, : self.length] = slots[:, :, : self.length][index]
        return chosen


class TextDecoder:
    """The decoder's weights on one device, and the computation over a batch."""

    def __init__(
        self,
        dims: WhisperDims,
        weights: dict[str, Tensor],
        alignment_heads: Sequence[tuple[int, int]],
        device: torch.device,
        dtype: torch.dtype,
        make_linear: MakeLinear,
        *,
        padded: bool = False,
        keep_as: torch.dtype | None = None,
    ) -> None:
        """`alignment_heads`: (layer, head) pairs whose attention follows the audio. `padded`: the rows of a batch have
        one length, as a GPU wants them. `keep_as`: the audio's keys and values are in this type, if not in `dtype`."""
        self.dims = dims
        self.device = device
        self.dtype = dtype
        self._keep_as = keep_as or dtype
        own = Weights(weights, "decoder", device, dtype)
        layers = range(dims.n_text_layer)
        # As the checkpoint has it: half the size of float32, and a token takes a single row of it.
        self._embedding = weights["decoder.token_embedding.weight"].to(device)
        self._positions = own["positional_embedding"]
        self._blocks = [Block(own, f"blocks.{n}.", make_linear) for n in layers]
        self._norm = own.norm("ln")
        self._project = make_linear(self._embedding.to(dtype), None)
        self._crossings = [make_linear(*stacked(own, f"blocks.{n}.cross_attn.", ("key", "value"))) for n in layers]
        self._heads = dims.n_text_head
        self._scale = (dims.n_text_state // dims.n_text_head) ** -0.5
        self._alignment = [
            torch.tensor([head for at, head in alignment_heads if at == layer], dtype=torch.long, device=device)
            for layer in layers
        ]
        self._padded = padded
        self._silence: list[Tensor] = []

    def remember_silence(self, states: Tensor) -> None:
        """Keep the keys and values of `states` (1500, width), an encoding of 30 s that ends in silence: those of a
        frame in `THINNED`, for they differ little."""
        self._silence = self._keys_and_values(states[THINNED // 2 :: THINNED])

    def memory(self, states: Sequence[Tensor], content: Sequence[int], silence: Sequence[int]) -> Memory:
        """Keys and values of each row's `states` (frames, width), followed by the silence that is remembered, from
        where the row's own end; `silence`: at most so many frames of it per row. `content`: frames of real audio."""
        silences = [self._behind(len(row), frames) for row, frames in zip(states, silence, strict=True)]
        if self._padded:
            return self._padded_memory(states, content, silences)
        rows = []
        for own, behind in zip(states, silences, strict=True):
            pieces = [self._keys_and_values(own)]
            if _kept(behind):
                pieces.append(behind)
            # Two parts take longer to read than one: what no other row shares is better copied.
            if len(states) == 1:
                pieces = [[torch.cat(layer, 2) for layer in zip(*pieces, strict=True)]]
            rows.append([[part(layer) for layer in piece] for piece in pieces])
        layers = [[tuple(piece[layer] for piece in row) for row in rows] for layer in range(self.dims.n_text_layer)]
        return Ragged(layers, list(content), [_kept(behind) for behind in silences])

    def _behind(self, own: int, silence: int) -> list[Tensor]:
        """What is kept of the `silence` frames behind so many of its `own`, for each layer: (2, heads, kept frames,
        head width). Empty: none is remembered."""
        first = -(-own // THINNED)
        return [layer[:, :, first : first + silence // THINNED] for layer in self._silence]

    def _padded_memory(
        self, states: Sequence[Tensor], content: Sequence[int], silences: Sequence[Sequence[Tensor]]
    ) -> Padded:
        silent = [_kept(behind) for behind in silences]
        ends = [len(own) + behind for own, behind in zip(states, silent, strict=True)]
        # Padding must be finite: its attention is zero, and zero times garbage may be NaN.
        fresh = torch.empty if min(ends) == max(ends) else torch.zeros
        head_width = self.dims.n_text_state // self._heads
        both = fresh(
            (self.dims.n_text_layer, 2, len(states), self._heads, max(ends), head_width),
            device=self.device,
            dtype=self._keep_as,
        )
        for row, (own, silence, end) in enumerate(zip(states, silences, ends, strict=True)):
            for layer, heard in zip(both, self._keys_and_values(own), strict=True):
                layer[:, row, :, : len(own)] = heard
            for layer, heard in zip(both, silence, strict=False):
                layer[:, row, :, len(own) : end] = heard
        return Padded(
            list(both[:, 0]),
            list(both[:, 1]),
            torch.tensor(ends, device=self.device),
            torch.tensor(content, device=self.device),
            torch.tensor(silent, device=self.device),
        )

    def _keys_and_values(self, states: Tensor) -> list[Tensor]:
        """Of (frames, width) states, for each layer: (2, heads, frames, head width).

        Layer by layer: all at once would need as much again in one piece, and leave a hole of that size in the heap.
        """
        kept = []
        for crossing in self._crossings:
            both = crossing(states).to(self._keep_as).view(len(states), 2, self._heads, -1)
            kept.append(both.permute(1, 2, 0, 3).contiguous())
        return kept

    def cache(self, memory: Memory, slots: int) -> Cache:
        """Room for `slots` tokens for every row of `memory`."""
        rows = len(memory)
        shape = (rows, self._heads, slots, self.dims.n_text_state // self._heads)
        return Cache(
            [torch.empty(shape, device=self.device, dtype=self.dtype) for _ in self._blocks],
            [torch.empty(shape, device=self.device, dtype=self.dtype) for _ in self._blocks],
            torch.zeros(rows, slots, dtype=torch.bool, device=self.device),
            torch.zeros(rows, dtype=torch.long, device=self.device),
        )

    def forward(
        self, memory: Memory, cache: Cache, tokens: Tensor, real: Tensor, watched: int
    ) -> tuple[Tensor, Tensor]:
        """Read `tokens` (rows, n), of which `real` (rows, n) are not padding, into `cache`.

        Returns hidden states (rows, n, width) before the projection, and the alignment heads' attention over the
        real audio at the last `watched` tokens, averaged: (rows, watched, frames).
        """
        positions, visible = cache.extend(real)
        # Rows that are done may be carried on beyond the last position; nobody looks at them.
        positions = positions.clamp(0, self.dims.n_text_ctx - 1)
        token_mask = (~visible * MASKED).to(self.dtype)[:, None]

        x = self._embedding[tokens].to(self.dtype) + self._positions[positions]
        attention: list[Tensor] = []
        for layer, block in enumerate(self._blocks):
            query, key, value = block.self_qkv(block.self_norm(x)).chunk(3, dim=-1)
            keys, values = cache.store(layer, self._split(key), self._split(value))
            scores = self._split(query * self._scale) @ keys.transpose(2, 3)
            weights = (scores + token_mask).softmax(-1)
            x = x + block.self_out(self._join(weights @ values))

            query = self._split(block.cross_query(block.cross_norm(x)) * self._scale)
            heard, attended = memory.attend(layer, query, self._alignment[layer], watched)
            attention.append(attended)
            x = x + block.cross_out(self._join(heard))

            x = block.feed_forward(x)
        return x, torch.cat(attention, dim=1).mean(1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token after `hidden` (…, width): (…, vocabulary), float32."""
        return self._project(self._norm(hidden)).float()

    def _split(self, x: Tensor) -> Tensor:
        """(rows, n, width) to (rows, heads, n, head width)."""
        return x.view(*x.shape[:-1], self._heads, -1).transpose(1, 2)

    def _join(self, x: Tensor) -> Tensor:
        """The reverse of `_split`."""
        return x.transpose(1, 2).flatten(2)


def _kept(silence: Sequence[Tensor]) -> int:
    return silence[0].shape[2] if silence else 0
