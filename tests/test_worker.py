"""The worker shares one backend fairly, and one stream's failure is its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Backend, Options, Recognizer, StepPlan
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams, Word
from wlkd.inference.backlog import Outcome, Stream
from wlkd.inference.capacity import TEST_CHUNK_SECONDS, sessions_for
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics


class Ear(Recognizer):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.heard = 0
        self.ended_at: int | None = None

    def accept(self, frame: Frame) -> None:
        if np.isnan(frame.samples).any():
            raise SessionError("undecodable_audio", "not a number")
        self.frames.append(frame)

    def end_segment(self, at: int) -> None:
        self.ended_at = at


class Echo(Backend):
    """Commits one word per step: how many samples came in; raises when it hears the sample value 9."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(Options())
        self.step_seconds = step_seconds
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.batches: list[int] = []
        self.plans: list[StepPlan] = []
        self.threads: set[str] = set()

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        return Ear()

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.go_on.wait(10)
        time.sleep(self.step_seconds)
        ears = [plan.recognizer for plan in batch if isinstance(plan.recognizer, Ear)]
        for ear in ears:
            if any((frame.samples == 9).any() for frame in ear.frames):
                raise RuntimeError("nine")
        self.batches.append(len(ears))
        self.plans += batch
        commits = []
        for ear in ears:
            heard = sum(len(frame.samples) for frame in ear.frames)
            ended = ear.ended_at is not None
            commits.append(Commit((Word(f" {heard}", 0, heard),), until=heard, segment_end=ended))
            ear.frames.clear()
            ear.ended_at = None
        return commits

    async def begins(self) -> None:
        """Wait until a step has begun since the last call."""
        assert await asyncio.to_thread(self.begun.wait, 10)
        self.begun.clear()


def speech(seconds: float, start: int = 0, value: float = 0.1) -> Frame:
    return Frame(start, np.full(round(seconds * SAMPLE_RATE), value, dtype=np.float32))


class Setup:
    def __init__(self, backend: Echo, options: WorkerOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.backend = backend
        self.worker = Worker(backend, options, Metrics(), clock=clock)

    async def __aenter__(self) -> "Setup":
        await self.worker.start(warm_up=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.close()

    def stream(self, priority: str = "live") -> tuple[Stream, list[Outcome]]:
        outcomes: list[Outcome] = []
        params = RecognitionParams(priority=priority)  # type: ignore[arg-type]
        return self.worker.open(params, outcomes.append), outcomes


def setup(step_seconds: float = 0.0, **options: float) -> Setup:
    return Setup(Echo(step_seconds), WorkerOptions(**options))  # type: ignore[arg-type]


async def test_nothing_runs_before_there_is_a_chunk() -> None:
    async with setup(min_chunk_seconds=0.5, max_chunk_seconds=3) as case:
        (stream, outcomes), (other, _) = case.stream(), case.stream()
        stream.push(speech(0.4))
        other.push(speech(0.5))
        await other.drained()
        assert outcomes == []
        stream.push(speech(0.1, start=6400))
        await stream.drained()
        assert [outcome.words[0].text for outcome in outcomes] == [" 8000"]
        assert case.backend.threads == {"inference_0"}


async def test_a_pause_is_due_at_once_and_closes_its_step() -> None:
    async with setup(min_chunk_seconds=1, max_chunk_seconds=3) as case:
        stream, outcomes = case.stream()
        stream.push(speech(0.25))
        stream.push(Pause(4000))
        stream.push(speech(0.25, start=8000))
        stream.push(Pause(12000))
        await stream.drained()
        assert [(outcome.words[0].text, outcome.segment_end) for outcome in outcomes] == [(" 4000", True)] * 2


async def test_a_step_goes_over_a_pause_that_speech_has_followed_if_the_recognizer_bridges_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Ear, "bridges_pauses", True)
    async with setup(min_chunk_seconds=1, max_chunk_seconds=3) as case:
        stream, outcomes = case.stream()
        for start in range(0, 40_000, 8000):
            stream.push(speech(0.25, start=start))
            stream.push(Pause(start + 4000, over=start == 16_000))
        await stream.drained()
        # The first step tells that it does, one ends with the segment, and the last with the last pause.
        heard = [(outcome.words[0].text, outcome.segment_end) for outcome in outcomes]
        assert heard == [(" 4000", True), (" 8000", True), (" 8000", True)]


async def test_speech_that_stops_arriving_is_not_left_behind() -> None:
    async with setup(min_chunk_seconds=0.2, max_chunk_seconds=0.2) as case:
        stream, outcomes = case.stream()
        stream.push(speech(0.1))
        await asyncio.wait_for(stream.drained(), 5)
        assert [outcome.words[0].text for outcome in outcomes] == [" 1600"]


async def test_a_long_backlog_is_worked_off_in_bounded_steps() -> None:
    async with setup(min_chunk_seconds=0.5, max_chunk_seconds=1) as case:
        stream, outcomes = case.stream()
        stream.push(speech(2.5))
        stream.push(Pause(40000))
        await stream.drained()
        assert [outcome.words[0].text for outcome in outcomes] == [" 16000", " 16000", " 8000"]
        assert [outcome.segment_end for outcome in outcomes] == [False, False, True]


async def test_streams_that_are_due_together_run_together() -> None:
    async with setup(step_seconds=0.05, max_batch=3) as case:
        streams = [case.stream()[0] for _ in range(4)]
        for stream in streams:
            stream.push(speech(1))
        await asyncio.gather(*(stream.drained() for stream in streams))
        assert sum(case.backend.batches) == 4
        assert max(case.backend.batches) == 3


@pytest.mark.parametrize("bad", [float("nan"), 9.0])
async def test_a_step_that_raises_costs_nobody_else(bad: float) -> None:
    async with setup() as case:
        (good, good_outcomes), (poor, poor_outcomes) = case.stream(), case.stream()
        good.push(speech(1))
        poor.push(speech(1, value=bad))
        await asyncio.gather(good.drained(), poor.drained())
        assert isinstance(good_outcomes[0], Commit)
        assert isinstance(poor_outcomes[0], SessionError)
        assert poor_outcomes[0].code == ("undecodable_audio" if np.isnan(bad) else "backend_failed")


class Watch:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Laborious(Echo):
    """Each step takes a second of the watch."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self.watch.now += 1
        return super().run(batch)


@pytest.mark.parametrize(("priority", "grown"), [("live", True), ("upload", False)])
async def test_the_chunk_grows_with_the_load_of_live_streams_and_shrinks_again(priority: str, grown: bool) -> None:
    watch = Watch()
    options = WorkerOptions(min_chunk_seconds=0.1, max_chunk_seconds=2)
    case = Setup(Laborious(watch), options, watch)
    async with case:
        stream, _ = case.stream(priority)
        assert case.worker.chunk_seconds == pytest.approx(0.1)
        stream.push(speech(60))
        stream.push(Pause(60 * SAMPLE_RATE))
        await stream.drained()
        assert case.worker.busy_ratio > 0.95
        assert case.worker.chunk_seconds == pytest.approx(2.0 if grown else 0.1, abs=0.1)
        watch.now += 10
        assert case.worker.chunk_seconds == pytest.approx(0.1)


async def test_a_backend_is_told_the_time_to_spare_and_not_by_how_long_a_step_is() -> None:
    watch = Watch()
    case = Setup(Laborious(watch), WorkerOptions(min_chunk_seconds=1, max_chunk_seconds=2), watch)
    async with case:
        stream, _ = case.stream()
        stream.push(speech(1))
        await stream.drained()
        assert case.backend.plans[-1].spare == 1, "long steps of an idle worker"
        for _ in range(40):
            stream.push(speech(2))
            await stream.drained()
        stream.push(speech(0.1))
        stream.push(Pause(81 * SAMPLE_RATE))
        await stream.drained()
        assert case.backend.plans[-1].spare < 0.1, "a pause brings a short step to a saturated worker"


async def test_who_waits_for_a_thread_tells_of_a_rush_before_the_busy_ratio_does() -> None:
    watch = Watch()
    case = Setup(Laborious(watch), WorkerOptions(min_chunk_seconds=1, max_chunk_seconds=4, max_batch=1), watch)
    async with case:
        crowd = [case.stream()[0] for _ in range(3)]
        for stream in crowd:
            stream.push(speech(1))
        await asyncio.gather(*(stream.drained() for stream in crowd))
        assert [plan.spare for plan in case.backend.plans] == pytest.approx([1, 0.75, 0.5])


async def test_a_backend_is_told_which_streams_are_uploads() -> None:
    async with setup(min_chunk_seconds=0.1, max_chunk_seconds=0.1) as case:
        (live, _), (upload, _) = case.stream(), case.stream("upload")
        live.push(speech(0.1))
        await live.drained()
        upload.push(speech(0.1))
        await upload.drained()
        assert [plan.upload for plan in case.backend.plans] == [False, True]


async def test_a_listener_that_raises_ends_its_own_session_only() -> None:
    async with setup() as case:
        stream, told = case.stream()
        other, outcomes = case.stream()

        def break_once(outcome: Outcome) -> None:
            if isinstance(outcome, Commit):
                raise ValueError("a defect in whoever listens")
            told.append(outcome)

        stream.on_outcome = break_once
        stream.push(speech(1))
        other.push(speech(1))
        await asyncio.gather(stream.drained(), other.drained())
        assert isinstance(told[0], SessionError) and told[0].code == "internal"
        other.push(speech(1))
        await other.drained()
        assert len(outcomes) == 2 and not case.worker.ended


async def test_a_listener_that_raises_at_everything_costs_nobody_else() -> None:
    async with setup() as case:
        stream, _ = case.stream()
        other, outcomes = case.stream()

        def break_always(outcome: Outcome) -> None:
            raise ValueError("a defect in whoever listens")

        stream.on_outcome = break_always
        for _ in range(2):
            stream.push(speech(1))
            other.push(speech(1))
            async with asyncio.timeout(5):
                await asyncio.gather(stream.drained(), other.drained())
        assert len(outcomes) == 2 and not case.worker.ended


async def test_what_is_handed_in_after_the_end_is_void() -> None:
    async with setup() as case:
        stream, outcomes = case.stream()
        stream.close()
        stream.push(speech(1))
        await asyncio.wait_for(stream.drained(), 1)
        assert outcomes == [] and stream.backlog == 0


async def test_a_failing_self_test_leaves_the_guess() -> None:
    class Choosy(Echo):
        def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
            raise RuntimeError("not this")

    worker = Worker(Choosy(), WorkerOptions(), Metrics(), capacity=5)
    await worker.start(warm_up=True, measure=True)
    outcomes: list[Outcome] = []
    stream = worker.open(RecognitionParams(), outcomes.append)
    stream.push(speech(1))
    await stream.drained()
    assert worker.capacity.sessions == 5 and not worker.ended
    await worker.close()


async def test_the_self_test_runs_on_the_inference_thread() -> None:
    backend = Echo(step_seconds=0.1)
    worker = Worker(backend, WorkerOptions(), Metrics())
    await worker.start(warm_up=True, measure=True)
    stream = worker.open(RecognitionParams(), lambda _: None)
    stream.push(speech(1))
    await stream.drained()
    assert len(backend.batches) > 1
    assert backend.threads == {"inference_0"}
    # A busy machine makes a step take longer than it sleeps, up to twice as long; nothing makes it shorter.
    least = sessions_for(TEST_CHUNK_SECONDS / (2 * backend.step_seconds))
    assert least <= worker.capacity.sessions <= sessions_for(8 * TEST_CHUNK_SECONDS / backend.step_seconds)
    await worker.close()


async def test_a_closed_stream_frees_its_place_and_is_not_called_again() -> None:
    async with setup() as case:
        case.backend.go_on.clear()
        stream, outcomes = case.stream()
        stream.push(speech(1))
        await case.backend.begins()
        stream.close()
        other, _ = case.stream()
        other.push(speech(1))
        case.backend.go_on.set()
        await other.drained()
        assert case.backend.batches == [1, 1], "one thread: the closed stream's step was over first"
        assert outcomes == []
        assert case.worker.stalled_for() == 0


async def test_a_running_batch_shows_its_age() -> None:
    watch = Watch()
    async with Setup(Echo(), WorkerOptions(), watch) as case:
        case.backend.go_on.clear()
        stream, _ = case.stream()
        stream.push(speech(1))
        await case.backend.begins()
        watch.now += 5
        assert case.worker.stalled_for() == 5
        case.backend.go_on.set()
        await stream.drained()
        assert case.worker.stalled_for() == 0


class Wide(Echo):
    """Two steps at once, no stream in both."""

    concurrency = 2

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds)
        self.inside: list[Recognizer] = []
        self.most = 0

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        recognizers = [plan.recognizer for plan in batch]
        assert not set(recognizers) & set(self.inside), "a stream is in two batches"
        self.inside += recognizers
        self.most = max(self.most, len(self.inside))
        commits = super().run(batch)
        for recognizer in recognizers:
            self.inside.remove(recognizer)
        return commits


async def test_a_backend_that_can_gets_several_batches_at_once() -> None:
    case = Setup(Wide(step_seconds=0.1), WorkerOptions(min_chunk_seconds=0.5, max_chunk_seconds=0.5))
    async with case:
        (one, heard), (other, heard_too) = case.stream(), case.stream()
        one.push(speech(2))
        other.push(speech(2))
        await asyncio.gather(one.drained(), other.drained())
        assert [len(heard), len(heard_too)] == [4, 4]
        assert case.backend.batches == [1] * 8, "who is due is shared out"
        assert case.backend.most == 2  # type: ignore[attr-defined]
        assert len(case.backend.threads) == 2


async def test_a_free_thread_does_not_wait_for_the_other_ones_batch() -> None:
    case = Setup(Wide(), WorkerOptions(min_chunk_seconds=0.5, max_chunk_seconds=0.5))
    async with case:
        case.backend.go_on.clear()
        (one, _), (other, _) = case.stream(), case.stream()
        one.push(speech(0.5))
        await case.backend.begins()
        other.push(speech(0.5))
        await case.backend.begins()
        case.backend.go_on.set()
        await asyncio.gather(one.drained(), other.drained())
        assert case.backend.most == 2, "the second began when the first was over"  # type: ignore[attr-defined]


async def test_closing_waits_for_the_running_batch() -> None:
    case = setup()
    await case.worker.start(warm_up=True)
    case.backend.go_on.clear()
    stream, _ = case.stream()
    stream.push(speech(1))
    await case.backend.begins()
    closing = asyncio.create_task(case.worker.close())
    for _ in range(10):  # turns of the event loop: what does not wait for the batch would be over
        await asyncio.sleep(0)
    assert not closing.done() and case.backend.batches == []
    case.backend.go_on.set()
    await closing
    assert case.backend.batches == [1], "the backend may be closed now, and the batch would still run"


async def test_closing_waits_for_the_self_test() -> None:
    backend = Echo()
    backend.go_on.clear()
    worker = Worker(backend, WorkerOptions(), Metrics())
    await worker.start(warm_up=False, measure=True)
    await backend.begins()
    closing = asyncio.create_task(worker.close())
    for _ in range(10):  # turns of the event loop: what does not wait for the test would be over
        await asyncio.sleep(0)
    assert not closing.done() and backend.batches == []
    backend.go_on.set()
    await closing
    assert backend.batches, "the backend may be closed now, and the test would still run"


class Doubtful(Echo):
    """Holds the word that it has heard before a pause, until that is over."""

    def open(self, params: RecognitionParams) -> Recognizer:
        return Hesitant()

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self.plans += batch
        return [plan.recognizer.step() for plan in batch if isinstance(plan.recognizer, Hesitant)]


class Hesitant(Ear):
    def pause(self, at: int) -> None: ...

    def step(self) -> Commit:
        words = (Word(" so", 0, 1),)
        over, self.ended_at = self.ended_at is not None, None
        return Commit(words, segment_end=True) if over else Commit(tentative=words)


async def test_words_held_at_a_pause_come_in_bounded_time_though_no_more_audio_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wlkd.inference.backlog.HOLD_SECONDS", 0.02)
    async with Setup(Doubtful(), WorkerOptions()) as case:
        told: asyncio.Queue[Outcome] = asyncio.Queue()
        stream = case.worker.open(RecognitionParams(), told.put_nowait)
        stream.push(speech(1))
        stream.push(Pause(SAMPLE_RATE, over=False))
        async with asyncio.timeout(5):
            assert await told.get() == Commit(tentative=(Word(" so", 0, 1),))
            assert not stream.idle, "a word is still owed"
            assert await told.get() == Commit((Word(" so", 0, 1),), segment_end=True)
        assert stream.idle


async def test_words_held_at_a_pause_wait_for_speech_that_goes_on_but_not_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wlkd.inference.backlog.HOLD_SECONDS", 100)
    async with Setup(Doubtful(), WorkerOptions()) as case:
        told: asyncio.Queue[Outcome] = asyncio.Queue()
        stream = case.worker.open(RecognitionParams(), told.put_nowait)
        async with asyncio.timeout(5):
            stream.push(speech(1))
            stream.push(Pause(SAMPLE_RATE, over=False))
            await told.get()
            assert stream.holding
            stream.push(speech(1, SAMPLE_RATE))
            assert not stream.holding
            stream.push(Pause(2 * SAMPLE_RATE, over=False))
            await stream.drained()
        outcomes = [told.get_nowait() for _ in range(told.qsize())]
        assert outcomes == [Commit(tentative=(Word(" so", 0, 1),)), Commit((Word(" so", 0, 1),), segment_end=True)]
