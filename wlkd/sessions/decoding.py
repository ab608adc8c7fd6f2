"""What a decoder makes of bytes, taken from it a little at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Decoded, Gap, Note, Samples

SLICE_SAMPLES = 10 * SAMPLE_RATE
"""Decoded audio looked at in one go. Some formats pack an hour of silence into a piece: it must not hold a thread of
the pool for seconds, nor go to the worker past the limit of the backlog."""
DUE = "due are float32 samples of shape (n,), Gap or Note"
MAX_ITEMS = 100
"""Gaps and notes in one go."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A part of what one call of the decoder makes, in order."""

    items: list[Decoded]
    rest: Iterator[Decoded] | None
    """To be asked for the next part; None: this was all."""
    error: Exception | None = None
    """What the decoder raised after `items`."""


def begin(call: Callable[..., Samples | Iterable[Decoded]], *args: object) -> Taken:
    """Call the decoder; the first part of what it makes. Raises nothing of the decoder's. In the thread pool."""
    try:
        made = call(*args)
    except Exception as error:
        return Taken([], None, error)
    return take(_checked(call, made))


def _checked(call: Callable[..., Any], made: Samples | Iterable[Decoded]) -> Iterator[Decoded]:
    """What `call` made, item by item. Raises `TypeError`: anything else would fail far from the decoder, or be heard
    as noise."""
    items: Iterable[object] = made if isinstance(made, Iterable) and not isinstance(made, np.ndarray) else (made,)
    for item in items:
        if isinstance(item, np.ndarray):
            if item.dtype != np.float32 or item.ndim != 1:
                raise TypeError(f"{call.__qualname__} gave {item.dtype} samples of shape {item.shape}; {DUE}")
            yield item
        elif isinstance(item, Gap | Note):
            yield item
        else:
            raise TypeError(f"{call.__qualname__} gave {type(item).__name__}; {DUE}")


def take(rest: Iterator[Decoded]) -> Taken:
    """The next part, samples in as few pieces as they have gaps and notes between them. In the thread pool."""
    items: list[Decoded] = []
    run: list[Samples] = []
    size = 0
    error: Exception | None = None
    more: Iterator[Decoded] | None = rest
    try:
        for item in rest:
            if isinstance(item, np.ndarray):
                run.append(item)
                size += len(item)
            else:
                items += _joined(run)
                items.append(item)
                run = []
            if size >= SLICE_SAMPLES or len(items) >= MAX_ITEMS:
                break
        else:
            more = None
    except Exception as raised:
        error, more = raised, None
    items += _joined(run)
    return Taken(items, more, error)


def _joined(run: list[Samples]) -> list[Samples]:
    return [np.concatenate(run)] if run else []
