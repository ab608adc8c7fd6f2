"""Runs of the decoder over a batch, one token of every row at a time.

A token of large-v3 takes some nine hundred kernels. On a GPU, PyTorch launches them more slowly than the GPU works
them off (docs/performance.md has the sums). So there a run reads and writes buffers of fixed places and sizes: its
kernels are recorded once for each size, as a CUDA graph, and replayed for every further token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from weakref import WeakSet

import torch
from torch import Tensor

from wlkd_simulstreaming.attention import attended_frames
from wlkd_simulstreaming.decoder import MORE_SLOTS, Cache, TextDecoder
from wlkd_simulstreaming.memory import Memory, Padded

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes of a function one that does the same work on the same memory again, without its Python."""
Size = tuple[int, int, int]
"""Rows, frames, slots."""

ROWS, FRAMES, SLOTS = 8, 256, 64
"""Sizes are rounded up to multiples of these; eight rows and fewer, to powers of two."""
MOST_SIZES = 128
"""Recorded at once; the one that was used longest ago gives way."""


def best_two(logits: Tensor, attention: Tensor, marks: Tensor) -> Tensor:
    """What is said after each place: (…, 6) of the likeliest token, its log-probability, the second likeliest,
    its log-probability, that of any of `marks` (their tokens), and the frame attended to. One tensor of float32, which
    holds any token exactly, since every copy to the host makes it wait for the GPU. `logits`: (…, vocabulary),
    `attention`: (…, frames)."""
    best = logits.topk(2, -1)
    total = logits.logsumexp(-1, keepdim=True)
    pairs = torch.stack([best.indices.float(), best.values - total], dim=-1).flatten(-2)
    mark = logits[..., marks].logsumexp(-1, keepdim=True) - total
    return torch.cat([pairs, mark, attended_frames(attention).float()[..., None]], dim=-1)


class TokenRun(ABC):
    """The rows of a batch that still go on."""

    @abstractmethod
    def __call__(self) -> Tensor:
        """Read the last token of every row, and say the next one: (rows, 1, 6), see `best_two`."""

    @abstractmethod
    def keep(self, rows: Sequence[int]) -> TokenRun:
        """The same run of these rows alone."""


class TokenRuns(ABC):
    """Begins runs."""

    def __init__(self, decoder: TextDecoder, banned: Tensor, marks: Tensor) -> None:
        """`banned` (vocabulary,) is added to the scores of the tokens; `marks`: see `best_two`."""
        self.decoder = decoder
        self.banned = banned
        self.marks = marks

    @abstractmethod
    def slots(self, tokens: int) -> int:
        """How many slots of a cache should be free at the beginning for `tokens` at most."""

    @abstractmethod
    def begin(self, memory: Memory, cache: Cache, last: Tensor) -> TokenRun:
        """Behind what `cache` holds; `last`: (rows, 1), the last token of each row, which it does not hold yet."""

    def next(self, memory: Memory, cache: Cache, last: Tensor, real: Tensor) -> Tensor:
        """What follows `last`, see `best_two`; `real`: all of them are."""
        hidden, attention = self.decoder.forward(memory, cache, last, real, 1)
        return best_two(self.decoder.logits(hidden) + self.banned, attention, self.marks)


class GrowingRuns(TokenRuns):
    """Attend to the slots in use and to no more: the least work where work is what takes time."""

    def slots(self, tokens: int) -> int:
        # Most rows end after a few tokens; room for as many as there may be takes 50 MiB for eight rows of base.
        return min(tokens, MORE_SLOTS)

    def begin(self, memory: Memory, cache: Cache, last: Tensor) -> TokenRun:
        return _GrowingRun(self, memory, cache, last)


class _GrowingRun(TokenRun):
    def __init__(self, runs: GrowingRuns, memory: Memory, cache: Cache, last: Tensor) -> None:
        self._runs = runs
        self._memory = memory
        self._cache = cache
        self._last = last
        self._real = torch.ones_like(last, dtype=torch.bool)

    def __call__(self) -> Tensor:
        said = self._runs.next(self._memory, self._cache, self._last, self._real)
        self._last = said[:, :, 0].long()
        return said

    def keep(self, rows: Sequence[int]) -> TokenRun:
        kept = torch.tensor(rows, device=self._last.device)
        return _GrowingRun(self._runs, self._memory.rows(rows), self._cache.rows(kept), self._last[kept])


class FixedRuns(TokenRuns):
    """Compute on buffers of fixed places and sizes, so that `capture` can record the work of a token. One run at a
    time: all sizes lie in the same memory."""

    def __init__(self, decoder: TextDecoder, banned: Tensor, marks: Tensor, capture: Capture) -> None:
        super().__init__(decoder, banned, marks)
        self._capture = capture
        self._storage = torch.empty(0, device=decoder.device, dtype=decoder.dtype)
        self._recorded: OrderedDict[Size, _Recorded] = OrderedDict()

    def slots(self, tokens: int) -> int:
        return tokens

    def begin(self, memory: Memory, cache: Cache, last: Tensor) -> TokenRun:
        if not isinstance(memory, Padded):
            raise TypeError("buffers of fixed sizes hold rows of one length")
        return _FixedRun(self, memory, cache, last)

    def recorded(self, size: Size) -> _Recorded:
        """The buffers and the work for `size`, recorded if they were not yet."""
        found = self._recorded.pop(size, None) or self._record(size)
        self._recorded[size] = found
        if len(self._recorded) > MOST_SIZES:
            self._recorded.popitem(last=False)
        return found

    def _record(self, size: Size) -> _Recorded:
        dims, device = self.decoder.dims, self.decoder.device
        rows, frames, slots = size
        heads, width = dims.n_text_head, dims.n_text_state // dims.n_text_head
        shapes = [(dims.n_text_layer, 2, rows, heads, length, width) for length in (frames, slots)]
        numbers = [prod(shape) for shape in shapes]
        if sum(numbers) > len(self._storage):
            # What was recorded knows the old place. Both at once might not fit.
            self._recorded.clear()
            self._storage = self._storage.new_empty(0)
            # Padding must be finite, see `TextDecoder._padded_memory`.
            self._storage = self._storage.new_zeros(sum(numbers))
        parts = torch.split(self._storage[: sum(numbers)], numbers)
        audio, text = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))

        def counts(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.long, device=device)

        memory = Padded(list(audio[:, 0]), list(audio[:, 1]), counts(rows), counts(rows), counts(rows))
        cache = FixedCache(list(text[:, 0]), list(text[:, 1]), counts(rows, slots) > 0, counts(rows))
        last, said = counts(rows, 1), torch.zeros(rows, 1, 6, device=device)
        real = torch.ones_like(last, dtype=torch.bool)

        def work() -> None:
            said.copy_(self.next(memory, cache, last, real))
            last.copy_(said[:, :, 0])

        return _Recorded(memory, cache, last, said, self._capture(work))


class FixedCache(Cache):
    """A cache of which all slots are attended to, used or not; which one comes next is a tensor. A token at a time."""

    def __init__(self, keys: list[Tensor], values: list[Tensor], valid: Tensor, positions: Tensor) -> None:
        super().__init__(keys, values, valid, positions)
        self._slot = torch.zeros(1, dtype=torch.long, device=self.valid.device)
        """The one taken last."""

    def fill(self, cache: Cache) -> None:
        """Take over the rows of `cache`, which has no more rows and slots in use than this one has."""
        rows, self.length = len(cache.positions), cache.length
        for own, given in zip((*self.keys, *self.values), (*cache.keys, *cache.values), strict=True):
            own[:rows, :, : self.length] = given[:, :, : self.length]
        self.valid.zero_()
        self.valid[:rows, : self.length] = cache.valid[:, : self.length]
        self.positions[:rows] = cache.positions
        self._slot.fill_(self.length - 1)

    def extend(self, real: Tensor) -> tuple[Tensor, Tensor]:
        self._slot += 1
        self.valid.index_copy_(1, self._slot, real)
        self.positions += 1
        return self.positions[:, None] - 1, self.valid[:, None]

    def store(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        self.keys[layer].index_copy_(2, self._slot, keys)
        self.values[layer].index_copy_(2, self._slot, values)
        return self.keys[layer], self.values[layer]


@dataclass(frozen=True)
class _Recorded:
    """The buffers of one size, and the work of one token on them."""

    memory: Padded
    cache: FixedCache
    last: Tensor
    said: Tensor
    work: Callable[[], None]

    def fill(self, memory: Padded, cache: Cache, last: Tensor) -> None:
        self.memory.fill(memory)
        self.cache.fill(cache)
        self.last[: len(last)] = last


class _FixedRun(TokenRun):
    def __init__(self, runs: FixedRuns, memory: Padded, cache: Cache, last: Tensor) -> None:
        self._runs = runs
        self._start = memory, cache, last
        self._recorded: _Recorded | None = None

    def __call__(self) -> Tensor:
        memory, cache, last = self._start
        if self._recorded is None:
            size = rounded(len(last), memory.keys[0].shape[2], cache.valid.shape[1])
            self._recorded = self._runs.recorded(size)
            self._recorded.fill(memory, cache, last)
        self._recorded.work()
        self._recorded.cache.length += 1
        return self._recorded.said[: len(last)]

    def keep(self, rows: Sequence[int]) -> TokenRun:
        kept = torch.tensor(rows, device=self._runs.decoder.device)
        memory, cache, last = self._start
        if self._recorded is not None:
            cache, last = self._recorded.cache, self._recorded.last
        return _FixedRun(self._runs, memory.rows(rows), cache.rows(kept), last[kept])


def rounded(rows: int, frames: int, slots: int) -> Size:
    """The least size that is recorded and holds this one."""
    few = 1 << (rows - 1).bit_length()
    return few if rows <= ROWS else _multiple(rows, ROWS), _multiple(frames, FRAMES), _multiple(slots, SLOTS)


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of


def cuda_graphs(device: torch.device) -> Capture:
    """For one of NVIDIA's GPUs: work with all its launches as one. Of all that is recorded, one thing is replayed at a
    time."""
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    # What is allocated while a graph is recorded, tens of megabytes, stays so as long as the graph exists. None of it
    # is needed after a replay, since all that the work keeps was made before. So graphs share it, as one memory pool
    # that PyTorch gives up with the last of them.
    living: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def recorded(work: Callable[[], None]) -> Callable[[], None]:
        # What is not told a GPU means the first one, where nothing of `work` would be recorded.
        with torch.cuda.device(device):
            # Libraries set themselves up at their first calls, which cannot be recorded.
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(2):
                    work()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            shared = next((other.pool() for other in living), None)
            try:
                # Another thread, with an upload, may go on meanwhile.
                with torch.cuda.graph(graph, pool=shared, stream=aside, capture_error_mode="thread_local"):
                    work()
            except Exception:
                # PyTorch may think for ever that this pool is being recorded to, and refuse it to others.
                living.clear()
                raise
            living.add(graph)
        return graph.replay

    return recorded
