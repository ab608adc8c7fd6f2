"""Lets a diarizer listen beside the recognition, in threads of its own. It may be late, or fail: words never wait for
it longer than they may, and none is lost. When recognition leaves it no time, words do not wait for it at all.
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
from wlkd.contract.components import Diarizer, DiarizerStream
from wlkd.contract.returned import diarization, opened
from wlkd.contract.types import Diarization, DiarizationParams, Frame, SpeechEvent
from wlkd.metrics import Metrics
from wlkd.sessions.progress import Progress

logger = logging.getLogger(__name__)

MAX_QUEUED = 5 * SAMPLE_RATE
"""Speech that may wait for the diarizer. A live stream skips what is older: its words have been sent long ago."""
WORDS_AT_ONCE = 200
"""Written before the event loop may turn: the end of a recording settles the speakers of all its words, and those of
an hour would hold up every stream for some tenths of a second."""
LATE = 1 / 3
"""Share of the time for which a word may wait. Speech that has waited so long for the diarizer shows that it gets too
little time: then words do not wait. Three seconds allow one, and a call takes a tenth of that."""


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
        self._stream = opened(service.diarizer, service.diarizer.open(params), DiarizerStream)
        self._pool = service.pool
        self._patience = None if params.whole else service.max_wait_seconds
        self._progress = progress
        # Until the first call of the stream: the client may have to go on elsewhere again before anybody speaks.
        progress.voices = params.memory
        self._metrics = metrics
        self._queue: deque[tuple[float, SpeechEvent]] = deque()
        """With the time at which each came, as the event loop counts it."""
        self._queued = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._asked: deque[tuple[Callable[[], Diarization], asyncio.Future[None]]] = deque()
        """What to call when everything queued has been listened to, and who waits for it."""
        self._late_at: float | None = None
        """When the speech that the diarizer works on has waited too long; None: it works on nothing, or may be late."""
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name=f"speakers of session {self._name}")

    def hand_in(self, event: SpeechEvent) -> None:
        """Speech, or a pause, from the VAD. Never blocks: of what is too much, the oldest is left out."""
        if self._failed:
            return
        self._queue.append((_now(), event))
        if isinstance(event, Frame):
            self._queued += len(event.samples)
        while self._patience is not None and self._queued > MAX_QUEUED and len(self._queue) > 1:
            _, oldest = self._queue.popleft()
            if isinstance(oldest, Frame):
                self._queued -= len(oldest.samples)
                self._metrics.diarization_skipped.inc(seconds(len(oldest.samples)))
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
        if self._failed or self._late:
            return
        done = asyncio.get_running_loop().create_future()
        self._asked.append((call, done))
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await done
        self._progress.release()

    async def _run(self) -> None:
        try:
            while True:
                await self._news()
                if self._queue:
                    since, events = self._queue[0][0], [event for _, event in self._queue]
                    self._queue.clear()
                    self._queued = 0
                    self._room.set()
                    await self._call(since, self._stream.feed, events)
                elif self._asked:
                    call, done = self._asked[0]
                    await self._call(_now(), call)
                    self._asked.popleft()
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
    def _late(self) -> bool:
        return self._late_at is not None and _now() >= self._late_at

    @property
    def _till_due(self) -> float | None:
        """Seconds in which no word will have waited too long: not those that wait, nor one that comes meanwhile."""
        now, due = _now(), self._progress.words_due
        wait = self._patience if due is None else max(due - now, 0.001)
        if wait is None or self._late_at is None or self._late_at <= now:
            return wait
        return min(wait, self._late_at - now)

    async def _call(self, since: float, call: Callable[..., Diarization], *args: object) -> None:
        """Call the stream in the pool; words that become due meanwhile do not wait for it, and none do when it is late.

        `since`: when the oldest of what it is to listen to came in."""
        # What the stream remembers is read in the thread that writes it.
        calling = asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: (diarization(call, *args), self._stream.memory())
        )
        self._late_at = None if self._patience is None else since + LATE * self._patience
        while not calling.done():
            self._see_whether_late()
            await asyncio.wait({calling}, timeout=self._till_due)
            self._progress.release()
        self._late_at = None
        told, self._progress.voices = calling.result()
        self._progress.speakers_told(told)
        while self._progress.release(WORDS_AT_ONCE):  # noqa: ASYNC110 - nothing is waited for
            await asyncio.sleep(0)
        self._progress.speakers_late(False)

    def _see_whether_late(self) -> None:
        late = self._late
        self._progress.speakers_late(late)
        if late:
            self._nobody_waits()

    def _give_up(self) -> None:
        self._failed = True
        self._queue.clear()
        self._queued = 0
        self._room.set()
        self._nobody_waits()
        self._progress.speakers_failed()

    def _nobody_waits(self) -> None:
        for _, done in self._asked:
            if not done.done():
                done.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
