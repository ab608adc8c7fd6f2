"""Lets a diarizer listen beside the recognition, in threads of its own. It may be late, or fail: words never wait for
it longer than they may, and none is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd.contract.components import Diarizer
from wlkd.contract.types import Diarization, DiarizationParams, Frame, SpeechEvent
from wlkd.metrics import Metrics
from wlkd.sessions.progress import Progress

logger = logging.getLogger(__name__)

MAX_QUEUED = 10 * SAMPLE_RATE
"""Speech that may wait for the diarizer. A live stream skips the rest: its words have been sent long ago."""


@dataclass(frozen=True, slots=True)
class DiarizerService:
    """The diarizer in use, and its threads."""

    diarizer: Diarizer
    pool: Executor

    @property
    def max_wait_seconds(self) -> float:
        """How long a final word waits for its speaker."""
        return self.diarizer.config.max_wait_seconds


class Listening:
    """One session's diarizer. Event loop only, except the stream, which is called in the pool, one call at a time."""

    def __init__(
        self, name: str, service: DiarizerService, params: DiarizationParams, progress: Progress, metrics: Metrics
    ) -> None:
        """`name`: of the session, for the log. Raises `SessionError("bad_request")`."""
        self._name = name
        self._stream = service.diarizer.open(params)
        self._pool = service.pool
        self._patience = None if params.whole else service.max_wait_seconds
        self._progress = progress
        self._metrics = metrics
        self._queue: deque[SpeechEvent] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._asked: deque[tuple[Callable[[], Diarization], asyncio.Future[None]]] = deque()
        """What to call when everything queued has been listened to, and who waits for it."""
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name=f"speakers of session {self._name}")

    def hand_in(self, event: SpeechEvent) -> None:
        """Speech, or a pause, from the VAD. Never blocks: what is too much is left out."""
        if self._failed:
            return
        if isinstance(event, Frame):
            if self._patience is not None and self._queued >= MAX_QUEUED:
                self._metrics.diarization_skipped.inc(seconds(len(event.samples)))
                return
            self._queued += len(event.samples)
        self._queue.append(event)
        self._wake.set()

    async def room(self) -> None:
        """Wait until little speech is left; for uploads, which can wait."""
        while self._patience is None and self._queued >= MAX_QUEUED and not self._failed:
            self._room.clear()
            await self._room.wait()

    async def settle(self) -> None:
        """Wait until all words so far have their speakers, as long as a word may wait."""
        await self._ask(self._stream.settle)

    async def finish(self) -> None:
        """The audio is over: wait until all words have their speakers, of an upload as long as it takes."""
        await self._ask(self._stream.finish)
        self._progress.speakers_failed()  # Nothing more will be told.

    def close(self) -> None:
        """Listen no more. A call that is in the pool ends by itself."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self, call: Callable[[], Diarization]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._asked.append((call, done))
        self._wake.set()
        if self._failed:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await done
        self._progress.release()

    async def _run(self) -> None:
        try:
            while True:
                await self._news()
                if self._queue:
                    events, self._queue, self._queued = list(self._queue), deque(), 0
                    self._room.set()
                    await self._call(lambda events=events: self._stream.feed(events))  # type: ignore[misc]
                elif self._asked:
                    call, done = self._asked.popleft()
                    await self._call(call)
                    if not done.done():
                        done.set_result(None)
        except Exception:
            # A defect of the diarizer costs labels, never words.
            logger.exception("session %s: the diarizer failed; speakers are told apart no more", self._name)
            self._metrics.diarization_failures.inc()
            self._give_up()

    async def _news(self) -> None:
        """Wait for something to do; meanwhile release words that have waited long enough."""
        while not self._queue and not self._asked:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._till_due):
                    await self._wake.wait()
            self._progress.release()

    @property
    def _till_due(self) -> float | None:
        """Seconds in which no word will have waited too long: not those that wait, nor one that comes meanwhile."""
        due = self._progress.words_due
        return self._patience if due is None else max(due - asyncio.get_running_loop().time(), 0.001)

    async def _call(self, call: Callable[[], Diarization]) -> None:
        """Call the stream in the pool; words that become due meanwhile do not wait for it."""
        # What the stream remembers is read in the thread that writes it.
        calling = asyncio.get_running_loop().run_in_executor(self._pool, lambda: (call(), self._stream.memory()))
        while not calling.done():
            await asyncio.wait({calling}, timeout=self._till_due)
            self._progress.release()
        told, self._progress.voices = calling.result()
        self._progress.speakers_told(told)

    def _give_up(self) -> None:
        self._failed = True
        self._queue.clear()
        self._queued = 0
        self._room.set()
        for _, done in self._asked:
            if not done.done():
                done.set_result(None)
        self._progress.speakers_failed()
