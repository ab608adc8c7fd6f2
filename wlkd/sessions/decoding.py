"""What a decoder makes of bytes, taken from it a little at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.returned import decoded_items
from wlkd.contract.types import Decoded, Samples

SLICE_SAMPLES = 10 * SAMPLE_RATE
"""Decoded audio looked at in one go. Some formats pack an hour of silence into a piece: it must not hold a thread of
the pool for seconds, nor go to the worker past the limit of the backlog."""
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
    return take(decoded_items(call, made))


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
