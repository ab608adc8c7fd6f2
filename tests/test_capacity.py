"""How many people may speak at once: the arithmetic, in made-up time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from threading import Barrier, current_thread, main_thread

import numpy as np
import pytest

from wlkd.config import make_config
from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Backend, Options, Recognizer, StepPlan
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams
from wlkd.daemon.running_engines import Opening, RunningEngine
from wlkd.inference.backlog import Stream
from wlkd.inference.capacity import MOST_SESSIONS, TEST_CHUNK_SECONDS, Capacity, made_up_speech, self_test, sessions_for
from wlkd.inference.turns import Turns
from wlkd.inference.utilization import Load, Share
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import load_plugins


class Ear(Recognizer):
    heard = 0

    def accept(self, frame: Frame) -> None:
        assert current_thread() is not main_thread(), "recognizers live on the inference threads"
        self.heard += len(frame.samples)

    def end_segment(self, at: int) -> None: ...


class Slow(Backend):
    """Takes `fixed` seconds for a step, and `each` for each stream in it."""

    def __init__(self, fixed: float, each: float) -> None:
        super().__init__(Options())
        self.fixed, self.each = fixed, each
        self.batches: list[int] = []
        self.now = 0.0

    def clock(self) -> float:
        """A clock that only this backend's work moves: real ones tell of the neighbours too."""
        return self.now

    def languages(self) -> frozenset[str]:
        return frozenset({"de"})

    def open(self, params: RecognitionParams) -> Recognizer:
        assert current_thread() is main_thread(), "on the event loop, where sessions are opened too"
        assert params.language == "de", "a language that it knows, or detection is measured too"
        return Ear()

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        assert all(isinstance(plan.recognizer, Ear) and plan.recognizer.heard for plan in batch)
        self.now += self.fixed + self.each * len(batch)
        self.batches.append(len(batch))
        return [Commit()] * len(batch)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_the_self_test_finds_what_batches_give_and_stays_short(thread: ThreadPoolExecutor) -> None:
    backend = Slow(fixed=0.04, each=0.01)
    throughput = await self_test(backend, thread, backend.clock)
    assert backend.now < 1
    assert backend.batches == [1, 2, 4, 8]
    assert throughput == pytest.approx(TEST_CHUNK_SECONDS * 8 / (0.04 + 0.01 * 8))


async def test_a_slow_machine_is_asked_once(thread: ThreadPoolExecutor) -> None:
    backend = Slow(fixed=0.5, each=0.5)
    assert await self_test(backend, thread, backend.clock) == pytest.approx(TEST_CHUNK_SECONDS)
    assert backend.batches == [1]


async def test_the_self_test_keeps_all_threads_at_work() -> None:
    meeting = Barrier(2)

    class Pair(Slow):
        concurrency = 2

        def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
            meeting.wait(10)
            self.batches.append(len(batch))
            return [Commit()] * len(batch)

    backend = Pair(0, 0)
    ticks = count()
    with ThreadPoolExecutor(2) as threads:
        throughput = await self_test(backend, threads, lambda: 0.1 * next(ticks))
    assert sorted(backend.batches) == sorted(2 * [*set(backend.batches)])
    assert throughput == pytest.approx(2 * max(backend.batches) * TEST_CHUNK_SECONDS / 0.1)


@pytest.mark.parametrize(("throughput", "sessions"), [(0.1, 1), (5, 4), (12, 10), (1e9, MOST_SESSIONS)])
def test_there_is_room_for_one_and_not_for_everybody(throughput: float, sessions: int) -> None:
    assert sessions_for(throughput) == sessions


def worked(seconds: float, busy: float, throughput: float, load: Load | None = None, since: float = 0.0) -> Load:
    """A load with a batch every second for `seconds`."""
    load = load or Load()
    for second in range(round(seconds)):
        batch = load.begin(since + second, live=True)
        load.end(batch, since + second + busy, busy * throughput)
    return load


def revised(capacity: Capacity, load: Load, since: float, times: int = 20) -> int:
    for _ in range(times):
        since += 5
        worked(5, 0.99, load.throughput, load, since - 5)
        capacity.revise(load, since, load.live_busy(since))
    return capacity.sessions


def test_a_full_house_that_cannot_keep_up_shrinks_to_what_it_can() -> None:
    capacity = Capacity(16)
    load = worked(60, busy=0.99, throughput=5.1)
    capacity.revise(load, 60, load.live_busy(60))
    assert capacity.sessions == 13, "a step at a time"
    assert revised(capacity, load, 60) == 4


def test_a_full_house_that_keeps_up_grows() -> None:
    capacity = Capacity(4)
    assert revised(capacity, worked(60, busy=0.99, throughput=20.1), 60) == 18


def test_little_load_says_nothing_against_the_self_test() -> None:
    capacity = Capacity(16)
    load = worked(60, busy=0.3, throughput=3)
    capacity.revise(load, 60, load.live_busy(60))
    assert capacity.sessions == 16


def test_cheap_speech_says_there_is_room_even_at_little_load() -> None:
    capacity = Capacity(4)
    load = worked(60, busy=0.3, throughput=40)
    capacity.revise(load, 60, load.live_busy(60))
    assert capacity.sessions == 12


def test_what_a_hard_time_took_comes_back() -> None:
    capacity = Capacity(16)
    assert revised(capacity, worked(60, busy=0.99, throughput=5.1), 60) == 4
    quiet = worked(30, busy=0.1, throughput=3)
    for now in range(200, 300, 5):
        capacity.revise(quiet, float(now), quiet.live_busy(float(now)))
    assert capacity.sessions == 16


def test_one_odd_batch_changes_nothing() -> None:
    capacity = Capacity(8)
    load = Load()
    load.end(load.begin(0, live=True), 3, speech=0.5)
    capacity.revise(load, 3, load.live_busy(3))
    assert capacity.sessions == 8


def test_a_share_forgets() -> None:
    share = Share(horizon=5)
    for second in range(60):
        share.change(1, second)
        share.change(0, second + 0.5)
    assert share.at(60) == pytest.approx(0.5, abs=0.06)
    assert share.at(90) < 0.01
    share.change(1, 90)
    assert 0.5 < share.at(95) < share.at(100) < 1


def test_uploads_make_the_thread_busy_but_nobody_slower() -> None:
    load = Load()
    for second in range(20):
        batch = load.begin(second, live=False)
        assert load.running_since == second
        load.end(batch, second + 0.9, speech=30)
    assert load.busy(20) > 0.8
    assert load.live_busy(20) == 0
    assert load.throughput == 0


def test_two_threads_are_busy_when_both_are() -> None:
    load = Load(threads=2)
    early = load.begin(100, live=True)
    assert load.busy(200) == pytest.approx(0.5)
    late = load.begin(200, live=True)
    assert load.running_since == 100
    assert load.busy(300) == pytest.approx(1.0)
    load.end(early, 300, speech=1)
    assert load.running_since == 200
    load.end(late, 300, speech=1)
    assert load.running_since is None and load.busy(400) < 0.01


def test_the_throughput_is_that_of_all_threads_together() -> None:
    load = Load(threads=2)
    for second in range(60):
        # Half a second of both, and a quarter of one alone.
        early, late = load.begin(second, live=True), load.begin(second, live=True)
        load.end(late, second + 0.5, speech=2)
        load.end(early, second + 0.75, speech=1)
    assert load.throughput == pytest.approx(3 / 0.75)


def test_made_up_speech_is_loud_bounded_and_repeatable() -> None:
    speech = made_up_speech(1.0)
    assert speech.shape == (SAMPLE_RATE,) and speech.dtype == np.float32
    assert 0.02 < float(np.sqrt((speech**2).mean())) < 0.5 and np.abs(speech).max() <= 0.4
    assert (speech == made_up_speech(1.0)).all()
    assert (speech != made_up_speech(1.0, seed=1)).any()


class Remote(Slow):
    """Asks another machine, in five calls at a time."""

    concurrency = 5
    waits = True

    def languages(self) -> frozenset[str]:
        return frozenset({"de", "en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        return Ear()


async def test_nothing_made_up_is_sent_to_another_machine() -> None:
    backend = Remote(0.0, 0.1)
    config = make_config({"backend": {"name": "scripted"}}, load_plugins())
    assert config.warmup and config.sessions.max_sessions == "auto"
    opening = Opening(config, load_plugins(), Metrics(), Turns(), print)
    running = await RunningEngine.open("default", config.backend, backend, opening)
    try:
        stream = running.engine.worker.open(RecognitionParams(), lambda outcome: None)
        stream.push(Frame(0, np.zeros(SAMPLE_RATE, np.float32)))
        stream.push(Pause(SAMPLE_RATE))
        await stream.drained()
        stream.close()
    finally:
        await running.close()
    assert running.engine.worker.capacity.sessions == 5
    assert backend.batches == [1], "what was said, and no self-test"


class BusyAtFirst(Slow):
    """Other programs keep the machine busy during its first step."""

    def __init__(self, tests: int) -> None:
        """`tests`: self-tests after which `over` is set."""
        super().__init__(fixed=0.5, each=0.5)
        self.loop = asyncio.get_running_loop()
        self.first, self.over = asyncio.Event(), asyncio.Event()
        self.expected = [1] + [1, 2, 4, 8] * (tests - 1)

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        commits = super().run(batch)
        self.fixed, self.each = 0.04, 0.01
        self.loop.call_soon_threadsafe(self.first.set)
        if self.batches == self.expected:
            self.loop.call_soon_threadsafe(self.over.set)
        return commits


async def test_a_first_guess_of_a_busy_machine_is_corrected_once_it_is_idle() -> None:
    backend = BusyAtFirst(tests=3)
    worker = Worker(backend, WorkerOptions(), Metrics(), clock=backend.clock, retests=(0.0, 0.0))
    await worker.start(warm_up=False, measure=True)
    async with asyncio.timeout(10):
        await backend.over.wait()
    assert worker.capacity.sessions == sessions_for(TEST_CHUNK_SECONDS * 8 / (0.04 + 0.01 * 8))
    assert worker.capacity.sessions > sessions_for(TEST_CHUNK_SECONDS)
    await worker.close()


@asynccontextmanager
async def owing_a_test(backend: BusyAtFirst) -> AsyncIterator[tuple[Worker, Stream]]:
    """A worker that was tested once, and owes another test, and the stream of somebody who was there."""
    worker = Worker(backend, WorkerOptions(), Metrics(), clock=backend.clock, retests=(0.0,))
    somebody = worker.open(RecognitionParams(language="de"), lambda outcome: None)
    await worker.start(warm_up=False, measure=True)
    async with asyncio.timeout(10):
        await backend.first.wait()
        yield worker, somebody
    await worker.close()


async def test_the_self_test_is_repeated_only_when_nobody_is_there() -> None:
    backend = BusyAtFirst(tests=2)
    async with owing_a_test(backend) as (_, somebody):
        assert backend.batches == [1]
        somebody.close()
        await backend.over.wait()


async def test_the_self_test_is_repeated_when_the_load_of_those_who_left_has_faded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wlkd.inference.worker.LOOK_AGAIN_SECONDS", 0.01)
    backend = BusyAtFirst(tests=2)
    async with owing_a_test(backend) as (worker, somebody):
        batch = worker.load.begin(backend.now, live=True)
        backend.now += 10
        worker.load.end(batch, backend.now, 1)
        somebody.close()
        await asyncio.sleep(0.05)
        assert backend.batches == [1], "the processors were busy until now"
        backend.now += 3600
        await backend.over.wait()
