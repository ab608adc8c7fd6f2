"""The inference worker: one backend's threads, shared fairly by all streams.

Streams hand in speech. A stream is due when it has `chunk` of new speech, a pause to close, or no room for more.
Whenever a thread is free, the streams that have waited longest form the next batch; `wlkd.inference.schedule` says
which. While live streams keep the threads busy nearly all the time, `chunk` grows: batches get larger and each stream
asks less often, so that latency bends instead of the backlog growing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial

from wlkd.config.options import DEFAULT_ENGINE, WorkerOptions
from wlkd.contract.audio import samples, seconds
from wlkd.contract.components import Backend, Recognizer
from wlkd.contract.returned import opened
from wlkd.contract.types import RecognitionParams
from wlkd.inference.backlog import Outcome, Step, Stream
from wlkd.inference.batch import run_batch
from wlkd.inference.capacity import Capacity
from wlkd.inference.failures import Failures
from wlkd.inference.schedule import Schedule
from wlkd.inference.self_tests import SelfTests
from wlkd.inference.turns import Turns
from wlkd.inference.uploads import Uploads
from wlkd.inference.utilization import Load, Running
from wlkd.metrics import Metrics

logger = logging.getLogger(__name__)

RETEST_SECONDS = (20.0, 50.0, 120.0, 600.0)
"""After the start the self-test is repeated, as soon as nobody is here: during the first one, the machine may have been
busy with something else, like booting or the end of an installation, which take seconds or minutes."""
IDLE_BUSY = 0.1
"""Share of the processors' time that other engines may have during a repeated self-test."""
LOOK_AGAIN_SECONDS = 5.0
"""How often to look whether an overdue self-test can be repeated: nobody tells that a load has faded."""

RELAXED, SATURATED = 0.7, 1.0
"""Busy share up to which the chunk stays at its minimum, and from which on it is at its maximum."""

CLOSE_SECONDS = 2.0
"""What a batch gets to end when the worker is closed while sessions are open: the daemon stops, and cannot wait for
one that may be stuck."""
UPLOAD_PATIENCE = 10.0
"""A batch of uploads may take so many times as long as others before it counts as stuck, not counting what live streams
take of the time: it holds much speech."""


class Worker:
    """Runs a backend for many streams, on as many threads as it can use. Everything but the batches happens on the
    event loop."""

    def __init__(
        self,
        backend: Backend,
        options: WorkerOptions,
        metrics: Metrics,
        capacity: int = 1,
        clock: Callable[[], float] = time.monotonic,
        name: str = DEFAULT_ENGINE,
        turns: Turns | None = None,
        retests: Sequence[float] = RETEST_SECONDS,
    ) -> None:
        """`backend` is provisioned. `capacity`: sessions to expect of it while nothing is measured. `name`: of the
        engine, for the log and the metrics. `turns`: with whom it shares the processors; None: with nobody.
        `retests`: seconds after the self-test at which it is repeated."""
        self._backend = backend
        self._options = options
        self._metrics = metrics.engine(name)
        self._clock = clock
        self.name = name
        self._turns = turns or Turns()
        self._longest = samples(options.max_chunk_seconds)
        self._schedule = Schedule(self._longest, options.max_chunk_seconds, options.max_batch or backend.max_batch)
        self._concurrency = backend.concurrency
        self.load = Load(self._concurrency)
        self.share = Fraction(1, self._concurrency)
        self._failures = Failures(f"engine {name}: recognition")
        self._upload_failures = Failures(f"engine {name}: recognition of uploads", self._uploads_are_broken)
        wanted = backend.upload_seconds
        self._uploads: Uploads | None = None
        if wanted is not None:
            tell = partial(self._tell, self._upload_failures)
            self._uploads = Uploads(backend, samples(wanted), clock, tell, lambda: self.spare, self._upload_failures)
        self._streams: set[Stream] = set()
        self._wake = asyncio.Event()
        self._vacated = asyncio.Event()
        self._threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="inference")
        self._self_tests = SelfTests(backend, self._threads, clock, name, capacity, retests)
        self._warming_up: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Future[list[Outcome]]] = set()

    async def start(self, *, warm_up: bool, measure: bool = False) -> None:
        """Warm the backend up, then serve. `measure`: first of all find out, within about a second of serving, how
        many sessions it keeps up with."""
        if warm_up:
            self._warming_up = asyncio.get_running_loop().run_in_executor(self._threads, self._backend.warm_up)
            await asyncio.shield(self._warming_up)
        self._task = asyncio.create_task(self._work(measure), name=f"inference worker of engine {self.name}")
        self._turns.join(self)
        if self._uploads is not None:
            self._uploads.start()

    def measure(self) -> None:
        """Find out how many sessions the backend keeps up with, as soon as nobody is here, unless it is known."""
        if self._self_tests.ask():
            self._wake.set()

    async def close(self) -> None:
        """Stop serving. Running batches, the warm-up and the self-test end first, lest somebody close the backend under
        them, unless one is stuck."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._warming_up is not None:
            await asyncio.wait({self._warming_up}, timeout=CLOSE_SECONDS)
        await self._self_tests.end(CLOSE_SECONDS)
        if self._batches:
            over, _ = await asyncio.wait(self._batches, timeout=CLOSE_SECONDS)
            for _ in over:
                self._turns.give_back(self)
        self._turns.leave(self)
        if self._uploads is not None:
            await self._uploads.close(CLOSE_SECONDS)
        # A stuck batch must not keep the process: the daemon's exit does not wait for these threads.
        self._threads.shutdown(wait=False, cancel_futures=True)

    def open(self, params: RecognitionParams, on_outcome: Callable[[Outcome], None]) -> Stream:
        """A place for a new session. `on_outcome` is called on the event loop after each of its steps."""
        recognizer = opened(self._backend, self._backend.open(params), Recognizer)
        if params.in_long_pieces and self._uploads is not None:
            return self._uploads.open(recognizer, on_outcome)
        stream = Stream(self, recognizer, params.priority, on_outcome)
        self._streams.add(stream)
        return stream

    @property
    def sessions(self) -> int:
        """Those that have a place."""
        return len(self._streams) + (0 if self._uploads is None else self._uploads.streams)

    async def vacant(self) -> None:
        """Wait until no stream is left, and the batches of those who left are over; for a worker that gets no new
        ones."""
        while self._streams:
            self._vacated.clear()
            await self._vacated.wait()
        if self._batches:
            await asyncio.wait(self._batches)
        if self._uploads is not None:
            await self._uploads.vacant()

    # For streams ---------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Seconds, monotonic."""
        return self._clock()

    def handed_in(self, stream: Stream, *, first: bool) -> None:
        """Wake up if that makes `stream` due, or if it begins to wait: who only adds to a chunk disturbs nobody."""
        chunk, now = samples(self.chunk_seconds), self._clock()
        waits = stream.waiting_since is not None
        if waits and stream.ready_since is None and self._schedule.has_enough(stream, chunk):
            stream.ready_since = now
        if first or self._schedule.is_due(stream, chunk, now):
            self._wake.set()

    def discard(self, stream: Stream) -> None:
        """Forget a closed stream."""
        self._streams.discard(stream)
        if not self._streams:
            self._vacated.set()
        if not self._streams or self._turns.waits(self):
            self._wake.set()  # Perhaps it was the one who was due.

    # For the other engines -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """It may be this worker's turn."""
        self._wake.set()

    # How it is -----------------------------------------------------------------------------------------------

    def stalled_for(self) -> float:
        """Seconds since the oldest running batch, or the self-test, began; 0 when all threads are free."""
        now = self._clock()
        running_since = self.load.running_since
        since = self._self_tests.running_since if running_since is None else running_since
        stalled = 0.0 if since is None else now - since
        upload = 0.0 if self._uploads is None else self._uploads.running_for
        return max(stalled, upload / UPLOAD_PATIENCE)

    @property
    def ended(self) -> bool:
        """It serves no more, though nobody has closed it: a defect."""
        uploads_ended = self._uploads is not None and self._uploads.ended
        return self._task is not None and (self._task.done() or uploads_ended)

    @property
    def failed_steps(self) -> int:
        """In a row, of whichever streams."""
        return max(self._failures.in_a_row, self._upload_failures.in_a_row)

    @property
    def is_broken(self) -> bool:
        """The backend fails for everybody."""
        return self._failures.is_broken

    @property
    def fails_uploads(self) -> bool:
        """What recognizes uploads alone fails for every one."""
        return self._upload_failures.is_broken

    @property
    def capacity(self) -> Capacity:
        """How many sessions the backend keeps up with, as far as is known."""
        return self._self_tests.capacity

    @property
    def busy_ratio(self) -> float:
        """Share of the threads' recent time spent in inference, 0 to 1."""
        return self.load.busy(self._clock())

    @property
    def chunk_seconds(self) -> float:
        """New speech that makes a live stream due, at the present load."""
        options = self._options
        span = options.max_chunk_seconds - options.min_chunk_seconds
        return options.min_chunk_seconds + self._pressure * span

    @property
    def spare(self) -> float:
        """Time to spare, 1 (idle) to 0, for what is not recognition."""
        return max(1.0 - self._turns.live_busy(self._clock()) / SATURATED, 0.0)

    @property
    def _pressure(self) -> float:
        """How busy live streams keep the threads, those of other engines too: 0 relaxed, 1 saturated."""
        return min(max((self._turns.live_busy(self._clock()) - RELAXED) / (SATURATED - RELAXED), 0.0), 1.0)

    def _spare(self, stream: Stream) -> float:
        """Time to spare for a step of `stream`, 1 (idle) to 0: what live streams' pressure leaves, less the wait for a
        thread, which tells of a rush of speakers seconds before the busy ratio does."""
        late = 0.0 if stream.ready_since is None else self._clock() - stream.ready_since
        if stream.priority == "upload":
            late = 0.0  # It waits for gaps.
        return max(1.0 - self._pressure - late / self._options.max_chunk_seconds, 0.0)

    # The work ------------------------------------------------------------------------------------------------

    async def _work(self, measure: bool) -> None:
        try:
            await self._self_tests.begin(measure=measure)
            await self._serve()
        except Exception:
            # Nobody awaits this task; who sees that it has ended needs the reason.
            logger.exception("the inference worker failed")

    @property
    def _is_idle(self) -> bool:
        """Nobody is here, and other engines leave the processors alone."""
        return not (self.sessions or self._batches) and self._turns.live_busy(self._clock()) < IDLE_BUSY

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as running:
            while True:
                self._wake.clear()
                due_in = self._self_tests.due_in
                if due_in is not None and due_in <= 0 and self._is_idle:
                    await self._self_tests.repeat()
                if self._failures.to_test:
                    await self._failures.judge(self._self_tests.hear())
                free = self._concurrency - len(self._batches)
                if batch := self._next_batch(free):
                    running.create_task(self._conclude(batch, *self._begin(batch)))
                    continue
                # The timeout serves streams that went quiet with less than a chunk handed in. While all threads are
                # taken, or other engines have the processors, nothing but the end of a batch can help.
                idle = free and not self._turns.waits(self)
                wait = self._schedule.seconds_to_next(self._streams, self._clock()) if idle else None
                if (due_in := self._self_tests.due_in) is not None:
                    look = max(due_in, 0.0 if self._is_idle else LOOK_AGAIN_SECONDS)
                    wait = look if wait is None else min(wait, look)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()

    def _next_batch(self, free: int) -> list[Step]:
        """For one of `free` threads; empty: nobody is due, or it is the turn of other engines."""
        if not free:
            return []
        now = self._clock()
        chosen = self._schedule.choose(self._streams, samples(self.chunk_seconds), now, free)
        if not chosen:
            self._turns.renounce(self)
            return []
        if not self._turns.take(self, self._schedule.waits_since(chosen)):
            return []
        self._schedule.begun(chosen, now)
        return [stream.take(self._longest, self._spare(stream)) for stream in chosen]

    def _begin(self, batch: list[Step]) -> tuple[Running, asyncio.Future[list[Outcome]]]:
        running = self.load.begin(self._clock(), live=any(step.stream.priority == "live" for step in batch))
        outcomes = asyncio.get_running_loop().run_in_executor(self._threads, run_batch, self._backend, batch)
        self._batches.add(outcomes)
        return running, outcomes

    async def _conclude(self, batch: list[Step], running: Running, computing: asyncio.Future[list[Outcome]]) -> None:
        outcomes = await asyncio.shield(computing)
        self._batches.discard(computing)
        self._wake.set()
        self._turns.give_back(self)
        self._account(batch, running)
        self._tell(self._failures, batch, outcomes)

    def _tell(self, failures: Failures, batch: list[Step], outcomes: list[Outcome]) -> None:
        self._metrics.steps.inc(len(batch))
        failures.count(outcomes)
        for step, outcome in zip(batch, outcomes, strict=True):
            step.stream.done(outcome)

    def _uploads_are_broken(self) -> None:
        # Where nobody speaks live, nothing else shows whether all of the backend is.
        self._failures.suspect()
        self._wake.set()

    def _account(self, batch: list[Step], running: Running) -> None:
        now = self._clock()
        spent = self.load.end(running, now, seconds(sum(step.samples for step in batch)))
        self.capacity.revise(self.load, now, self._turns.live_busy(now))
        self._metrics.batch_seconds.observe(spent)
        self._metrics.batch_size.observe(len(batch))
