"""The threads in which plugins are called for sessions, and which of those calls do not come back."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from wlkd.contract.priority import SMALL_SHARE, give_way
from wlkd.host.cpu import audio_threads, cores

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class WatchedThreads(ThreadPoolExecutor):
    """A pool that knows since when each of its threads has been in its call.

    A thread whose call never returns is lost, with the stream that it was for: nothing can end it from outside."""

    def __init__(self, size: int, name: str, initializer: Callable[[], None] = lambda: None) -> None:
        super().__init__(size, thread_name_prefix=name, initializer=initializer)
        self.name = name
        self._size = size
        self._since: dict[int, float] = {}
        """By thread, when its call began."""
        self._told: set[tuple[int, float]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As the base class has it."""
        return super().submit(self._watched, fn, *args, **kwargs)

    def stuck(self, seconds: float) -> int:
        """How many threads have been in a call for longer than so many seconds."""
        return len(self._stuck(seconds))

    def all_stuck(self, seconds: float) -> bool:
        """Whether no thread is left for anybody."""
        return self.stuck(seconds) == self._size

    def tell(self, seconds: float) -> None:
        """Log where each call is that has gone on for longer than so many seconds, once."""
        stuck = self._stuck(seconds)
        for thread, since in stuck - self._told:
            frame = sys._current_frames().get(thread)
            where = "".join(traceback.format_stack(frame)) if frame is not None else "it has just returned"
            logger.error(
                "a call on one of %d threads for %s has not returned for %.0f s; it is here:\n%s",
                self._size,
                self.name,
                time.monotonic() - since,
                where,
            )
        self._told = stuck

    def _stuck(self, seconds: float) -> set[tuple[int, float]]:
        before = time.monotonic() - seconds
        return {(thread, since) for thread, since in self._since.copy().items() if since < before}

    def _watched(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        me = threading.get_ident()
        self._since[me] = time.monotonic()
        try:
            return fn(*args, **kwargs)
        finally:
            del self._since[me]


@dataclass(frozen=True, slots=True)
class Pools:
    """Those that sessions share."""

    audio: WatchedThreads
    """For decoders, the VAD and the turn detector of live sessions: without it nobody is heard."""
    files: WatchedThreads
    """For the same of uploads: a file may take a thread for many seconds at once, a live stream takes milliseconds."""
    speakers: WatchedThreads
    """For the diarizer: one that is late must be late alone, and behind recognition and VAD."""

    @classmethod
    def start(cls) -> Pools:
        """As many threads as this machine's processors are worth."""
        audio = audio_threads(cores())
        yields = partial(give_way, "telling speakers apart competes with recognition", SMALL_SHARE)
        return cls(
            WatchedThreads(audio, "audio"),
            WatchedThreads(audio // 2, "files"),
            WatchedThreads(max(cores() // 2, 1), "speakers", yields),
        )

    def all(self) -> tuple[WatchedThreads, ...]:
        """Each of them."""
        return self.audio, self.files, self.speakers

    def shutdown(self) -> None:
        """Take no more calls. Those that go on are not waited for."""
        for threads in self.all():
            threads.shutdown(wait=False, cancel_futures=True)
