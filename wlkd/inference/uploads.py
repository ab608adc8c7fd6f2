"""Uploaded files, for a backend that hears them best in long pieces: one thread of their own beside the live ones.

Nobody waits for the next word of a file. So its speech is collected, over pauses, until there is as much as the backend
likes to have at once, or until there will be no more; and the files that have waited longest form the next batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from wlkd.contract.components import Backend, Recognizer
from wlkd.inference.backlog import Outcome, Step, Stream, waiting_since
from wlkd.inference.batch import run_batch
from wlkd.inference.capacity import listeners, speak_to
from wlkd.inference.failures import Failures
from wlkd.inference.left_time import LeftTime

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Uploads:
    """Everything but the batches happens on the event loop."""

    def __init__(
        self,
        backend: Backend,
        most: int,
        clock: Callable[[], float],
        on_outcomes: Callable[[list[Step], list[Outcome]], None],
        spare: Callable[[], float] = lambda: 1.0,
        failures: Failures | None = None,
    ) -> None:
        """`most`: samples of speech in a batch. `on_outcomes` is called after each batch. `spare`: share of the
        processors' time that live streams leave, 0 to 1. `failures`: where `on_outcomes` counts those that failed."""
        self._backend = backend
        self._most = most
        self._clock = clock
        self._on_outcomes = on_outcomes
        self._left = LeftTime(clock, spare)
        self._failures = failures or Failures("recognition of uploads")
        self._streams: set[Stream] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uploads")
        self._task: asyncio.Task[None] | None = None
        self._computing: asyncio.Future[Any] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._work(), name="uploads")

    async def close(self, patience: float) -> None:
        """Stop serving; a running batch gets `patience` seconds to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._computing is not None:
            await asyncio.wait({self._computing}, timeout=patience)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def open(self, recognizer: Recognizer, on_outcome: Callable[[Outcome], None]) -> Stream:
        """A place for a file. `on_outcome` is called on the event loop after each of its steps."""
        stream = Stream(self, recognizer, "upload", on_outcome, appetite=self._most)
        self._streams.add(stream)
        self._idle.clear()
        return stream

    async def vacant(self) -> None:
        """Wait until no file is left, and no batch."""
        await self._idle.wait()

    @property
    def streams(self) -> int:
        """Files that have a place."""
        return len(self._streams)

    @property
    def ended(self) -> bool:
        """It serves no more, though nobody has closed it: a defect."""
        return self._task is not None and self._task.done()

    @property
    def running_for(self) -> float:
        """Seconds that live streams have left to the running batch; 0: there is none."""
        return self._left.seconds

    # For streams ---------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Seconds, monotonic."""
        return self._clock()

    def handed_in(self, stream: Stream, *, first: bool) -> None:
        """Wake up if that makes `stream` due."""
        if self._is_due(stream):
            self._wake.set()

    def discard(self, stream: Stream) -> None:
        """Forget a closed stream."""
        self._streams.discard(stream)
        self._see_whether_idle()

    # The work ------------------------------------------------------------------------------------------------

    def _is_due(self, stream: Stream) -> bool:
        waits = stream.waiting_since is not None and not stream.running
        return waits and (stream.full or stream.queued >= self._most)

    async def _work(self) -> None:
        try:
            while True:
                self._wake.clear()
                if self._failures.to_test:
                    await self._failures.judge(self._test())
                elif batch := self._next_batch():
                    await self._run(batch)
                else:
                    await self._wake.wait()
        except Exception:
            # Nobody awaits this task; who sees that it has ended needs the reason.
            logger.exception("the worker of uploads failed")

    def _next_batch(self) -> list[Step]:
        """Those who waited longest, with `most` samples at the most together."""
        due = sorted((stream for stream in self._streams if self._is_due(stream)), key=waiting_since)
        batch: list[Step] = []
        room = self._most
        for stream in due:
            if room <= 0:
                break
            batch.append(stream.take(room, over_pauses=True))
            room -= batch[-1].samples
        return batch

    async def _run(self, batch: list[Step]) -> None:
        outcomes = await self._compute(partial(run_batch, self._backend, batch))
        self._on_outcomes(batch, outcomes)

    async def _compute(self, call: Callable[[], T]) -> T:
        self._computing = computing = asyncio.get_running_loop().run_in_executor(self._thread, call)
        try:
            return await self._left.count(computing)
        finally:
            if computing.done():
                self._computing = None
                self._see_whether_idle()

    async def _test(self) -> None:
        """Hear made-up speech. Raises what the backend raises."""
        batch = listeners(self._backend, 1, "upload")

        def hear() -> None:
            speak_to(batch)
            self._backend.run(batch)

        await self._compute(hear)

    def _see_whether_idle(self) -> None:
        if not self._streams and self._computing is None:
            self._idle.set()
