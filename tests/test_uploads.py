"""Uploads of a backend that likes long pieces: collected over pauses, beside live streams, and never stuck."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from tests.waiting import until
from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Backend, Options, Recognizer, StepPlan
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, Pause, Priority, RecognitionParams, Word
from wlkd.inference.backlog import Outcome, Stream
from wlkd.inference.capacity import TEST_WINDOW_SECONDS
from wlkd.inference.failures import MOST_FAILED_STEPS
from wlkd.inference.left_time import LOOK_SECONDS
from wlkd.inference.uploads import Uploads
from wlkd.inference.worker import UPLOAD_PATIENCE, Worker
from wlkd.metrics import Metrics

MOST = 4.0
"""Seconds of speech in a step of uploads."""


class Ear(Recognizer):
    """Remembers the seconds of speech between pauses."""

    def __init__(self) -> None:
        self.heard: list[float | str] = []

    def accept(self, frame: Frame) -> None:
        self.heard.append(len(frame.samples) / SAMPLE_RATE)

    def end_segment(self, at: int) -> None:
        self.heard.append("|")


class Patient(Backend):
    """Says what it was given since the last step. Steps of uploads wait until they may go on."""

    upload_seconds = MOST

    def __init__(self) -> None:
        super().__init__(Options())
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()
        self.threads: dict[str, int] = {}
        self.failing = False
        """At every upload."""
        self.cannot_hear: set[float] = set()
        """Seconds of a frame at which uploads and live streams fail."""

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        assert threading.current_thread() is threading.main_thread(), "on the event loop, where sessions are opened too"
        return Ear()

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        name = threading.current_thread().name
        self.threads[name] = self.threads.get(name, 0) + 1
        if batch[0].upload:
            assert all(plan.upload for plan in batch), "live streams wait for uploads"
            self.begun.set()
            self.go_on.wait(10)
            if self.failing:
                raise RuntimeError("no luck")
        if any(
            isinstance(plan.recognizer, Ear) and self.cannot_hear.intersection(plan.recognizer.heard) for plan in batch
        ):
            raise RuntimeError("an odd recording")
        commits = []
        for plan in batch:
            assert isinstance(plan.recognizer, Ear)
            commits.append(Commit((Word(" ".join(map(str, plan.recognizer.heard)), 0, 1),)))
            plan.recognizer.heard = []
        return commits


def speech(seconds: float, start: float = 0) -> Frame:
    return Frame(round(start * SAMPLE_RATE), np.ones(round(seconds * SAMPLE_RATE), dtype=np.float32))


class House:
    """A worker that serves."""

    def __init__(self) -> None:
        self.backend = Patient()
        self.now = 0.0
        self.worker = Worker(self.backend, WorkerOptions(), Metrics(), clock=lambda: self.now)

    def upload(self) -> tuple[Stream, list[Outcome]]:
        outcomes: list[Outcome] = []
        return self.worker.open(RecognitionParams(priority="upload"), outcomes.append), outcomes


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.worker.start(warm_up=False)
    yield house
    house.backend.go_on.set()
    await house.worker.close()


def texts(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.words[0].text for outcome in outcomes if isinstance(outcome, Commit)]


async def test_speech_is_collected_over_pauses_until_there_is_no_more(house: House) -> None:
    stream, outcomes = house.upload()
    stream.push(speech(1))
    stream.push(Pause(SAMPLE_RATE))
    stream.push(speech(0.5, 2))
    stream.push(Pause(round(2.5 * SAMPLE_RATE)))
    await stream.drained()
    assert texts(outcomes) == ["1.0 | 0.5 |"]
    assert list(house.backend.threads) == ["uploads_0"]


async def test_a_file_in_several_languages_is_heard_stretch_by_stretch(house: House) -> None:
    outcomes: list[Outcome] = []
    stream = house.worker.open(RecognitionParams(priority="upload", language_scope="segment"), outcomes.append)
    stream.push(speech(1))
    stream.push(Pause(SAMPLE_RATE))
    stream.push(speech(0.5, 2))
    stream.push(Pause(round(2.5 * SAMPLE_RATE)))
    await stream.drained()
    assert texts(outcomes) == ["1.0 |", "0.5 |"], "a commit says one language for all of its words"


async def test_a_step_holds_no_more_than_the_backend_likes(house: House) -> None:
    stream, outcomes = house.upload()
    stream.push(speech(MOST + 1))
    stream.push(Pause(0))
    await stream.drained()
    assert texts(outcomes) == ["4.0", "1.0 |"]


async def test_speech_is_taken_in_while_a_step_runs_and_not_without_end(house: House) -> None:
    house.backend.go_on.clear()
    stream, _ = house.upload()
    room = asyncio.create_task(stream.room(SAMPLE_RATE))
    await asyncio.wait_for(room, 5)
    stream.push(speech(MOST))
    await asyncio.wait_for(stream.room(SAMPLE_RATE), 5)
    stream.push(speech(MOST))
    waiting = asyncio.create_task(stream.room(SAMPLE_RATE))
    await asyncio.sleep(0)
    assert not waiting.done(), "one step runs, and the next is complete"
    house.backend.go_on.set()
    await asyncio.wait_for(waiting, 5)


async def test_short_files_share_a_step(house: House) -> None:
    house.backend.go_on.clear()
    first, _ = house.upload()
    first.push(speech(MOST))
    files = [house.upload() for _ in range(3)]
    for stream, _ in files:
        stream.push(speech(1.5))
        stream.push(Pause(0))
    drained = asyncio.gather(first.drained(), *(stream.drained() for stream, _ in files))
    await asyncio.sleep(0)
    house.backend.go_on.set()
    await asyncio.wait_for(drained, 5)
    assert house.backend.threads == {"uploads_0": 3}, "the first file, two and a half, and the rest"
    assert ["".join(texts(outcomes)) for _, outcomes in files].count("1.5 |") == 2


async def test_live_streams_do_not_wait_for_uploads(house: House) -> None:
    house.backend.go_on.clear()
    stream, outcomes = house.upload()
    stream.push(speech(MOST))
    heard: list[Outcome] = []
    live = house.worker.open(RecognitionParams(), heard.append)
    live.push(speech(1))
    live.push(Pause(SAMPLE_RATE))
    await asyncio.wait_for(live.drained(), 5)
    assert texts(heard) == ["1.0 |"] and not outcomes
    assert house.worker.busy_ratio == 0, "nothing that a live stream would have to share"


async def test_a_step_of_uploads_may_take_long_but_not_for_ever(house: House) -> None:
    house.backend.go_on.clear()
    stream, _ = house.upload()
    stream.push(speech(MOST))
    await asyncio.to_thread(house.backend.begun.wait, 5)
    house.now += 50
    assert house.worker.stalled_for() == pytest.approx(50 / UPLOAD_PATIENCE)


async def test_what_live_streams_take_of_the_time_makes_no_upload_stuck() -> None:
    backend, now, left = Patient(), 0.0, 0.02
    backend.go_on.clear()
    most = round(MOST * SAMPLE_RATE)
    uploads = Uploads(backend, most, lambda: now, lambda steps, outcomes: None, lambda: left)
    uploads.start()
    stream = uploads.open(Ear(), lambda outcome: None)
    stream.push(speech(MOST))
    await asyncio.to_thread(backend.begun.wait, 5)
    now += 700
    assert uploads.running_for == pytest.approx(14)
    await asyncio.sleep(2 * LOOK_SECONDS)
    left = 1.0
    now += 5
    assert uploads.running_for == pytest.approx(19)
    backend.go_on.set()
    await uploads.close(5)


async def test_a_failure_ends_its_file(house: House) -> None:
    house.backend.failing = True
    stream, outcomes = house.upload()
    stream.push(speech(1))
    stream.push(Pause(SAMPLE_RATE))
    await stream.drained()
    [error] = outcomes
    assert isinstance(error, SessionError) and error.code == "backend_failed"
    assert house.worker.failed_steps == 1


async def recording(house: House, length: float, priority: Priority = "upload") -> Outcome:
    """What comes of so many seconds."""
    outcomes: list[Outcome] = []
    stream = house.worker.open(RecognitionParams(priority=priority), outcomes.append)
    stream.push(speech(length))
    stream.push(Pause(round(length * SAMPLE_RATE)))
    await stream.drained()
    stream.close()
    return outcomes[0]


async def test_a_model_that_fails_for_every_upload_is_seen_and_one_success_heals_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.backend.failing = True
    for _ in range(MOST_FAILED_STEPS):
        await recording(house, 1)
        assert isinstance(await recording(house, 1, "live"), Commit), "which says nothing of uploads"
    await until(lambda: house.worker.fails_uploads)
    assert "engine default: recognition of uploads fails for everybody" in caplog.messages
    assert not house.worker.is_broken, "live streams are heard, and a restart would cost them their words"
    assert not [message for message in caplog.messages if "the fault is with the audio" in message]
    house.backend.failing = False
    assert isinstance(await recording(house, 1), Commit)
    assert not house.worker.fails_uploads and house.worker.failed_steps == 0
    assert "engine default: recognition of uploads works again" in caplog.messages


async def test_one_odd_recording_does_not_make_uploads_fail(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.backend.cannot_hear = {1}
    for _ in range(MOST_FAILED_STEPS):
        await recording(house, 1)
    await until(lambda: house.worker.failed_steps == 0)
    [told] = [message for message in caplog.messages if "it recognizes test speech" in message]
    assert told.startswith("engine default: recognition of uploads: 10 steps in a row have failed, but")
    assert not house.worker.fails_uploads and not house.worker.is_broken


async def test_a_backend_that_only_uploads_are_sent_to_is_restarted_if_it_hears_nobody(house: House) -> None:
    house.backend.cannot_hear = {1, TEST_WINDOW_SECONDS}
    for _ in range(MOST_FAILED_STEPS):
        await recording(house, 1)
    await until(lambda: house.worker.is_broken)
    assert house.worker.fails_uploads and house.worker.failed_steps == MOST_FAILED_STEPS


async def test_uploads_that_succeed_do_not_hide_that_live_streams_fail(house: House) -> None:
    house.backend.cannot_hear = {2, TEST_WINDOW_SECONDS}
    for _ in range(MOST_FAILED_STEPS):
        await recording(house, 2, "live")
        await recording(house, 1)
    await until(lambda: house.worker.is_broken)


async def test_a_worker_is_vacant_when_the_last_upload_and_its_step_are_over(house: House) -> None:
    house.backend.go_on.clear()
    stream, outcomes = house.upload()
    stream.push(speech(MOST))
    await asyncio.to_thread(house.backend.begun.wait, 5)
    vacant = asyncio.create_task(house.worker.vacant())
    stream.close()
    await asyncio.sleep(0)
    assert not vacant.done()
    house.backend.go_on.set()
    await asyncio.wait_for(vacant, 5)
    assert outcomes == []
