"""What the decoder attends to: the encoded audio of every row of a batch, as keys and values of every layer.

A GPU works a batch off in few large steps, of which all rows have one length. A CPU takes as long as there is to read:
there every row has its own length, and rows share what is the same for all of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wlkd_simulstreaming.attention import SMOOTHED_FRAMES

MASKED = -1e4
"""Added to a masked score: nothing after softmax, and finite in float16, so that a fully masked row is no NaN."""


THINNED = 8
"""Of the silence behind the speech, one frame in so many is kept, and counts for all of them."""
THINNED_WEIGHT = math.log(THINNED)
"""Added to its score."""


class Memory(ABC):
    """Of a batch."""

    @abstractmethod
    def __len__(self) -> int:
        """Rows."""

    @abstractmethod
    def rows(self, chosen: Sequence[int]) -> Memory:
        """The rows `chosen` alone; the same one may come several times."""

    @abstractmethod
    def attend(self, layer: int, query: Tensor, heads: Tensor, watched: int) -> tuple[Tensor, Tensor]:
        """Cross-attention of `query`, scaled, (rows, heads, n, head width).

        Returns what it finds, shaped like `query`, and the attention of `heads` to the real audio at the last `watched`
        places, float32, (rows, heads, watched, frames). There are more frames than real ones.
        """


@dataclass
class Padded(Memory):
    """All rows as long as the longest."""

    keys: list[Tensor]
    """Per layer (rows, heads, frames, head width)."""
    values: list[Tensor]
    """Like `keys`."""
    frames: Tensor
    """(rows,): frames of each row, silence included; the rest is padding."""
    content: Tensor
    """(rows,): frames of real audio among them."""
    silent: Tensor
    """(rows,): how many of them, the last ones, are of the silence that was thinned."""
    _padding: Tensor = field(init=False)
    """Added to scores over frames, (rows, 1, 1, frames): hides padding, and lets silence count for all of it."""
    _unreal: Tensor = field(init=False)
    """The same for all that is not real audio."""

    def __post_init__(self) -> None:
        self._padding, self._unreal = self._weighted(), self._mask(self.content)

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, chosen: Sequence[int]) -> Padded:
        index = torch.tensor(chosen, device=self.frames.device)
        return Padded(
            [keys[index] for keys in self.keys],
            [values[index] for values in self.values],
            self.frames[index],
            self.content[index],
            self.silent[index],
        )

    def fill(self, memory: Padded) -> None:
        """Take over the rows of `memory`, which has no more rows and frames than this one has, in place."""
        rows, frames = len(memory), memory.keys[0].shape[2]
        for own, given in zip((*self.keys, *self.values), (*memory.keys, *memory.values), strict=True):
            own[:rows, :, :frames] = given
        self.frames[:rows] = memory.frames
        self.content[:rows] = memory.content
        self.silent[:rows] = memory.silent
        self._padding.copy_(self._weighted())
        self._unreal.copy_(self._mask(self.content))

    def attend(self, layer: int, query: Tensor, heads: Tensor, watched: int) -> tuple[Tensor, Tensor]:
        scores = query @ self.keys[layer].mT
        attention = (scores[:, heads, -watched:] + self._unreal).float().softmax(-1)
        return (scores + self._padding).softmax(-1) @ self.values[layer], attention

    def _weighted(self) -> Tensor:
        behind = self._from(self.frames - self.silent) * THINNED_WEIGHT
        return torch.where(self._from(self.frames), MASKED, behind).to(self.keys[0].dtype)[:, None, None]

    def _mask(self, lengths: Tensor) -> Tensor:
        return (self._from(lengths) * MASKED).to(self.keys[0].dtype)[:, None, None]

    def _from(self, first: Tensor) -> Tensor:
        """(rows, frames): which frames are `first` (rows,), or behind it."""
        return torch.arange(self.keys[0].shape[2], device=first.device) >= first[:, None]


Part = tuple[Tensor, Tensor]
"""Keys (heads, head width, frames) and values (heads, frames, head width) of some frames in one layer."""


def part(both: Tensor) -> Part:
    """Of keys and values (2, heads, frames, head width)."""
    keys, values = both.unbind()
    return keys.mT, values


@dataclass
class Ragged(Memory):
    """Each row as long as it is. Choosing rows copies nothing.

    Keys and values may be in half precision: a token reads all of them once, and a CPU is sooner done with reading half
    as much and making floats of it, in its cache. A token of eight rows of base took one thread 8.5 ms and no longer
    10.5 ms for the attention.
    """

    layers: list[list[tuple[Part, ...]]]
    """Per layer and row: its frames, in parts that follow each other. All real audio is in the first."""
    content: list[int]
    """Frames of real audio in each row."""
    silent: list[int]
    """How many frames of each row, the last ones, are of the silence that was thinned."""

    def __len__(self) -> int:
        return len(self.content)

    def rows(self, chosen: Sequence[int]) -> Ragged:
        return Ragged(
            [[rows[row] for row in chosen] for rows in self.layers],
            [self.content[row] for row in chosen],
            [self.silent[row] for row in chosen],
        )

    def attend(self, layer: int, query: Tensor, heads: Tensor, watched: int) -> tuple[Tensor, Tensor]:
        found = torch.empty_like(query)
        # Behind the real audio of the longest row there is something to smooth with, as in any other.
        attention = query.new_zeros(len(self), len(heads), watched, max(self.content) + SMOOTHED_FRAMES // 2)
        for row, (asked, answer, held) in enumerate(
            zip(query.unbind(), found.unbind(), self.layers[layer], strict=True)
        ):
            scores = torch.cat([torch.bmm(asked, keys.to(asked.dtype)) for keys, _ in held], -1)
            if len(heads):
                real = self.content[row]
                attention[row, ..., :real] = scores[heads, -watched:, :real].float().softmax(-1)
            scores[..., scores.shape[-1] - self.silent[row] :] += THINNED_WEIGHT
            (_, values), *others = held
            weights = torch.split(scores.softmax(-1), [values.shape[1] for _, values in held], -1)
            torch.bmm(weights[0], values.to(answer.dtype), out=answer)
            for weight, (_, values) in zip(weights[1:], others, strict=True):
                answer.baddbmm_(weight, values.to(answer.dtype))
        return found, attention
