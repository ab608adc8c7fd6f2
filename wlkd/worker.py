"""The inference worker: one thread for one backend, shared fairly by all streams.

Streams hand in speech. A stream is due when it has `chunk` of new speech, or a pause to close. Whenever the thread is
free, the streams that have been due longest form the next batch: live ones first, uploaded files when no live one is
due. While the thread is busy nearly all the time, `chunk` grows: batches get larger and each stream asks less often,
so that latency bends instead of the backlog growing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wlkd.audio import samples
from wlkd.errors import SessionError
from wlkd.interfaces import Backend, Recognizer
from wlkd.metrics import Metrics
from wlkd.options import WorkerOptions
from wlkd.types import Commit, Frame, Pause, Priority, RecognitionParams, SpeechEvent

logger = logging.getLogger(__name__)

BUSY_HORIZON_SECONDS = 5.0
"""Over how long the share of busy time is averaged: long against a batch, short against a speaker's turn."""
RELAXED, SATURATED = 0.5, 0.95
"""Busy share up to which the chunk stays at its minimum, and from which on it is at its maximum."""

Outcome = Commit | Exception


class Stream:
    """One session's place at the worker. Event loop only, except the recognizer: inference thread only."""

    def __init__(
        self,
        worker: Worker,
        recognizer: Recognizer,
        priority: Priority,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self._worker = worker
        self.recognizer = recognizer
        self.priority = priority
        self.on_outcome = on_outcome
        self._queue: deque[SpeechEvent] = deque()
        self._queued = 0
        self._in_flight = 0
        self._running = False
        self._closed = False
        self._changed = asyncio.Event()
        self.pauses = 0
        self.waiting_since: float | None = None
        """When the oldest queued event came in, on the monotonic clock."""

    @property
    def backlog(self) -> int:
        """Samples of speech handed in and not yet through inference."""
        return self._queued + self._in_flight

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing running."""
        return not self._queue and not self._running

    def push(self, event: SpeechEvent) -> None:
        """Hand in speech, or a pause. Never blocks; await `room()` before the next."""
        self._queue.append(event)
        if isinstance(event, Frame):
            self._queued += len(event.samples)
        else:
            self.pauses += 1
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()
        self._worker.wake()

    async def room(self, limit: int) -> None:
        """Wait until the backlog is below `limit` samples."""
        while self.backlog >= limit:
            await self._wait()

    async def drained(self) -> None:
        """Wait until everything handed in has been through inference."""
        while not self.idle:
            await self._wait()

    def close(self) -> None:
        """Leave the worker. A step that is running is finished and its outcome dropped."""
        self._closed = True
        self._queue.clear()
        self._queued = self.pauses = 0
        self.waiting_since = None
        self._worker.discard(self)
        self._changed.set()

    @property
    def queued(self) -> int:
        """Samples that no step has taken yet."""
        return self._queued

    def take(self, limit: int) -> Step:
        """The next step: queued frames of up to `limit` samples, and the pause that follows them, if any."""
        frames: list[Frame] = []
        room = limit
        pause: Pause | None = None
        while self._queue and room > 0 and pause is None:
            event = self._queue.popleft()
            if isinstance(event, Pause):
                pause = event
                self.pauses -= 1
                continue
            if len(event.samples) > room:
                self._queue.appendleft(Frame(event.start + room, event.samples[room:]))
                event = Frame(event.start, event.samples[:room])
            frames.append(event)
            room -= len(event.samples)
        if pause is None and self._queue and isinstance(self._queue[0], Pause):
            pause = self._queue.popleft()  # type: ignore[assignment]
            self.pauses -= 1
        self._in_flight = limit - room
        self._queued -= self._in_flight
        self._running = True
        self.waiting_since = time.monotonic() if self._queue else None
        return Step(self, frames, pause)

    def done(self, outcome: Outcome) -> None:
        """The step is over."""
        self._in_flight = 0
        self._running = False
        self._changed.set()
        if not self._closed:
            self.on_outcome(outcome)

    @property
    def running(self) -> bool:
        return self._running

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@dataclass(frozen=True, slots=True)
class Step:
    """What one stream brings to a batch."""

    stream: Stream
    frames: list[Frame]
    pause: Pause | None


class Worker:
    """Runs a backend for many streams on one thread."""

    def __init__(self, backend: Backend, options: WorkerOptions, metrics: Metrics) -> None:
        self._backend = backend
        self._options = options
        self._metrics = metrics
        self._streams: set[Stream] = set()
        self._wake = asyncio.Event()
        self._vacated = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._task: asyncio.Task[None] | None = None
        self._busy_ratio = 0.0
        self._last_end = time.monotonic()
        self.busy_since: float | None = None
        """When the running batch began, on the monotonic clock; None: the thread is free."""

    async def start(self, *, warm_up: bool) -> None:
        """Warm the backend up, then serve."""
        if warm_up:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._backend.warm_up)
        self._task = asyncio.create_task(self._serve(), name="inference worker")

    async def close(self) -> None:
        """Stop serving; the running batch ends first."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        # A stuck batch must not keep the process: the daemon's exit does not wait for this thread.
        self._thread.shutdown(wait=False, cancel_futures=True)

    def open(self, params: RecognitionParams, on_outcome: Callable[[Outcome], None]) -> Stream:
        """A place for a new session. `on_outcome` is called on the event loop after each of its steps."""
        stream = Stream(self, self._backend.open(params), params.priority, on_outcome)
        self._streams.add(stream)
        return stream

    def discard(self, stream: Stream) -> None:
        """Forget a closed stream."""
        self._streams.discard(stream)
        if not self._streams:
            self._vacated.set()

    async def vacant(self) -> None:
        """Wait until no stream is left; for a worker that gets no new ones."""
        while self._streams:
            self._vacated.clear()
            await self._vacated.wait()

    def wake(self) -> None:
        """Something was handed in."""
        self._wake.set()

    def stalled_for(self) -> float:
        """Seconds since the running batch began; 0 when none is running."""
        return 0.0 if self.busy_since is None else time.monotonic() - self.busy_since

    @property
    def ended(self) -> bool:
        """It serves no more, though nobody has closed it: a defect."""
        return self._task is not None and self._task.done()

    @property
    def busy_ratio(self) -> float:
        """Share of recent time spent in inference, 0 to 1."""
        idle = time.monotonic() - self._last_end if self.busy_since is None else 0.0
        return self._busy_ratio * max(0.0, 1.0 - idle / BUSY_HORIZON_SECONDS)

    @property
    def chunk_seconds(self) -> float:
        """New speech that makes a stream due, at the present load."""
        options = self._options
        pressure = min(max((self.busy_ratio - RELAXED) / (SATURATED - RELAXED), 0.0), 1.0)
        span = options.max_chunk_seconds - options.min_chunk_seconds
        return options.min_chunk_seconds + pressure * span

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            batch = self._next_batch()
            if not batch:
                with contextlib.suppress(TimeoutError):
                    # The timeout serves streams that went quiet with less than a chunk handed in.
                    async with asyncio.timeout(self._options.max_chunk_seconds if self._any_waiting() else None):
                        await self._wake.wait()
                continue
            began = self.busy_since = time.monotonic()
            outcomes = await loop.run_in_executor(self._thread, run_batch, self._backend, batch)
            self._account(began, len(batch))
            for step, outcome in zip(batch, outcomes, strict=True):
                step.stream.done(outcome)

    def _any_waiting(self) -> bool:
        return any(stream.waiting_since is not None for stream in self._streams)

    def _next_batch(self) -> list[Step]:
        now = time.monotonic()
        chunk_seconds = self.chunk_seconds
        self._metrics.chunk_seconds.set(chunk_seconds)
        chunk = samples(chunk_seconds)
        longest = samples(self._options.max_chunk_seconds)
        due = [stream for stream in self._streams if self._is_due(stream, chunk, now)]
        for priority in ("live", "batch"):
            chosen = [stream for stream in due if stream.priority == priority]
            if chosen:
                chosen.sort(key=lambda stream: stream.waiting_since or now)
                return [stream.take(longest) for stream in chosen[: self._options.max_batch]]
        return []

    def _is_due(self, stream: Stream, chunk: int, now: float) -> bool:
        if stream.running or stream.waiting_since is None:
            return False
        overdue = now - stream.waiting_since >= self._options.max_chunk_seconds
        return stream.pauses > 0 or stream.queued >= chunk or overdue

    def _account(self, began: float, size: int) -> None:
        now = time.monotonic()
        spent, period = now - began, max(now - self._last_end, 1e-6)
        weight = min(period / BUSY_HORIZON_SECONDS, 1.0)
        self._busy_ratio += weight * (spent / period - self._busy_ratio)
        self._last_end = now
        self.busy_since = None
        self._metrics.worker_busy.set(self._busy_ratio)
        self._metrics.batch_seconds.observe(spent)
        self._metrics.batch_size.observe(size)
        self._metrics.steps.inc(size)


def run_batch(backend: Backend, steps: list[Step]) -> list[Outcome]:
    """On the inference thread: one outcome for each step, in order. A step that raises costs no other step."""
    outcomes: dict[Stream, Outcome] = {}
    ready: list[Step] = []
    for step in steps:
        recognizer = step.stream.recognizer
        try:
            for frame in step.frames:
                recognizer.accept(frame)
            if step.pause is not None:
                recognizer.end_segment(step.pause.at)
            ready.append(step)
        except Exception as error:
            outcomes[step.stream] = _failure(error)
    outcomes.update(_run(backend, ready))
    return [outcomes[step.stream] for step in steps]


def _run(backend: Backend, steps: list[Step]) -> dict[Stream, Outcome]:
    if not steps:
        return {}
    try:
        commits = backend.run([step.stream.recognizer for step in steps])
        return dict(zip((step.stream for step in steps), commits, strict=True))
    except Exception as error:
        if len(steps) == 1:
            return {steps[0].stream: _failure(error)}
        logger.warning("a batch of %d failed (%r); running its members one by one", len(steps), error)
        outcomes: dict[Stream, Outcome] = {}
        for step in steps:
            outcomes.update(_run(backend, [step]))
        return outcomes


def _failure(error: Exception) -> Exception:
    if isinstance(error, SessionError):
        return error
    logger.error("inference failed", exc_info=error)
    failure = SessionError("backend_failed", f"speech recognition failed: {type(error).__name__}")
    failure.__cause__ = error
    return failure
