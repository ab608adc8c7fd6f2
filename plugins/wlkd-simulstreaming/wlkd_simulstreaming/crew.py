"""Threads that share the work on one step while there is no other one."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")

# Linux only, and not in Python's own library.
_processor: Callable[[], int] = ctypes.CDLL(None).sched_getcpu


class Crew:
    """The threads of a model on the CPU whose steps compute on one thread each.

    Each part of the work is for one thread, and long enough that it does not matter how long the thread takes to wake
    up. PyTorch's own threads would share every operation instead, a hundred times a window, and not be faster than one
    unless they spin while they wait, which costs other programs' time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids: list[int] = []
        # Not a method of the crew: a thread would hold on to it, and so keep itself alive when nobody else has it.
        self._others = ThreadPoolExecutor(max(size - 1, 1), "crew", _begin, (self._ids,))
        self._steps = 0
        self._counting = threading.Lock()
        # All of them start now: a thread may run only where the one that starts it may, and that changes in `_apart`.
        everyone = threading.Barrier(size)
        self.share(lambda _: everyone.wait(), range(size))

    @contextmanager
    def step(self) -> Iterator[None]:
        """For as long as a step goes on."""
        with self._counting:
            self._steps += 1
        try:
            yield
        finally:
            with self._counting:
                self._steps -= 1

    @contextmanager
    def gathered(self) -> Iterator[int]:
        """Gives how many threads the step of the calling thread may use meanwhile, that one included."""
        if self._steps > 1 or self._size == 1:
            yield 1
            return
        with self._apart():
            yield self._size

    def share(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """The result for each of the `parts`, in inference mode; the first one's comes from the calling thread."""
        own, *others = parts
        later = [self._others.submit(torch.inference_mode()(function), part) for part in others]
        return [function(own), *(result.result() for result in later)]

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Keep the other threads off the calling thread's processor.

        In a virtual machine, Linux may wake both on one processor and leave them there for milliseconds, although
        another one is idle ("Two threads for a window" in docs/experiments.md).
        """
        allowed, here = os.sched_getaffinity(0), _processor()
        # Refused in a sandbox, or because the processors were taken from us a moment ago: threads run anywhere then.
        with suppress(OSError):
            os.sched_setaffinity(0, {here})
            for thread in self._ids:
                os.sched_setaffinity(thread, allowed - {here})
        try:
            yield
        finally:
            with suppress(OSError):
                os.sched_setaffinity(0, allowed)


def _begin(ids: list[int]) -> None:
    """In each of the other threads, whose own number goes to `ids`."""
    ids.append(threading.get_native_id())
    # A thread takes what was set last anywhere when it first needs to know; from then on the number is its own.
    torch.get_num_threads()
    torch.set_num_threads(1)
