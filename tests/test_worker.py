"""The worker shares one backend fairly, and one stream's failure is its own."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from tests.echo import Ear, Echo, Setup, Watch, setup, speech
from tests.waiting import until
from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Recognizer, StepPlan
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Pause, RecognitionParams, Word
from wlkd.inference.backlog import Outcome
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics


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


async def test_each_piece_of_a_quarter_of_a_second_makes_a_step() -> None:
    """With the defaults, though the VAD judges frames of 32 ms and keeps the rest of a piece for the next one."""
    frame, piece = 512, SAMPLE_RATE // 4
    # The clock stands still: no piece makes a step because the one before has waited.
    async with Setup(Echo(), WorkerOptions(), Watch()) as case:
        stream, outcomes = case.stream()
        judged = steps = 0

        def stepped() -> bool:
            return len(outcomes) == steps

        for steps in range(1, 13):
            arrived = (steps * piece - judged) // frame * frame
            stream.push(speech(arrived / SAMPLE_RATE, start=judged))
            judged += arrived
            await until(stepped)


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


async def test_a_backend_that_warms_up_is_waited_for_before_it_is_closed() -> None:
    class Slow(Echo):
        def warm_up(self) -> None:
            self.begun.set()
            assert self.go_on.wait(10)

    backend = Slow()
    backend.go_on.clear()
    worker = Worker(backend, WorkerOptions(), Metrics())
    starting = asyncio.create_task(worker.start(warm_up=True))
    await backend.begins()
    starting.cancel()
    closing = asyncio.create_task(worker.close())
    done, _ = await asyncio.wait({closing}, timeout=0.1)
    backend.go_on.set()
    await closing
    assert not done


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
