"""Who is in the next batch, in virtual time: nobody waits for ever, and uploads cost live sessions next to nothing."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wlkd.contract.audio import SAMPLE_RATE, samples, seconds
from wlkd.contract.components import Recognizer
from wlkd.contract.types import Commit, Frame, Pause, Priority
from wlkd.inference.backlog import Outcome, Step, Stream
from wlkd.inference.schedule import UPLOAD_EVERY_SECONDS, Schedule

CHUNK, LONGEST = 0.5, 3.0
MICROPHONE = 0.25
"""Seconds of audio in what a client sends at a time."""


class Deaf(Recognizer):
    def accept(self, frame: Frame) -> None: ...

    def end_segment(self, at: int) -> None: ...


@dataclass
class Thread:
    """An inference thread in virtual time, and the streams that use it."""

    max_batch: int
    row_seconds: float
    """What each stream of a batch costs, on top of a fixed 50 ms."""
    now: float = 0.0
    streams: list[Stream] = field(default_factory=list)
    took: list[tuple[float, list[Step]]] = field(default_factory=list)
    longest_wait: dict[Stream, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schedule = Schedule(samples(LONGEST), LONGEST, self.max_batch)

    def clock(self) -> float:
        return self.now

    def handed_in(self, stream: Stream, *, first: bool) -> None: ...

    def discard(self, stream: Stream) -> None: ...

    def open(self, priority: Priority = "live") -> Stream:
        def ignore(outcome: Outcome) -> None: ...

        stream = Stream(self, Deaf(), priority, ignore)
        self.streams.append(stream)
        self.longest_wait[stream] = 0.0
        return stream

    def step(self) -> list[Step]:
        """Run the next batch, if anybody is due."""
        chosen = self.schedule.choose(self.streams, samples(CHUNK), self.now)
        if not chosen:
            return []
        assert len(chosen) <= self.max_batch
        for stream in chosen:
            assert stream.waiting_since is not None
            self.longest_wait[stream] = max(self.longest_wait[stream], self.now - stream.waiting_since)
        steps = [stream.take(samples(LONGEST)) for stream in chosen]
        self.took.append((self.now, steps))
        self.now += 0.05 + self.row_seconds * len(steps)
        for step in steps:
            step.stream.done(Commit())
        return steps

    def speech_of(self, stream: Stream) -> float:
        """Seconds of its speech that went through."""
        return seconds(sum(step.samples for _, steps in self.took for step in steps if step.stream is stream))


def speech(length: float, start: int = 0) -> Frame:
    return Frame(start, np.ones(round(length * SAMPLE_RATE), dtype=np.float32))


def talk(thread: Thread, talkers: list[Stream], uploads: list[Stream], duration: float) -> None:
    """Everybody hands in speech as a microphone does, uploads always have more, and the thread never rests long."""
    heard = 0.0
    while thread.now < duration:
        while heard + MICROPHONE <= thread.now:
            heard += MICROPHONE
            for stream in talkers:
                stream.push(speech(MICROPHONE))
        for stream in uploads:
            while stream.queued < samples(2 * LONGEST):
                stream.push(speech(LONGEST))
        if not thread.step():
            thread.now = heard + MICROPHONE


def test_who_is_due_is_shared_out_among_the_free_threads() -> None:
    thread = Thread(max_batch=8, row_seconds=0.01)
    for _ in range(5):
        thread.open().push(speech(CHUNK))
    sizes = [
        len([stream.take(samples(LONGEST)) for stream in thread.schedule.choose(thread.streams, 8000, 0.0, free)])
        for free in (3, 2, 1)
    ]
    assert sizes == [2, 2, 1]


def test_who_is_being_served_wakes_nobody_up() -> None:
    thread = Thread(max_batch=8, row_seconds=0.01)
    stream = thread.open()
    stream.push(speech(CHUNK))
    assert thread.schedule.seconds_to_next(thread.streams, 1.0) == LONGEST - 1
    stream.take(samples(LONGEST))
    stream.push(speech(CHUNK))
    assert thread.schedule.seconds_to_next(thread.streams, 100.0) is None, "another thread would not sleep until then"


crowds = st.integers(1, 40)
batches = st.integers(1, 16)


@settings(deadline=None, max_examples=40)
@given(crowds, batches, st.floats(0.001, 0.06))
def test_every_talker_is_served_in_turn(crowd: int, max_batch: int, row_seconds: float) -> None:
    thread = Thread(max_batch, row_seconds)
    talkers = [thread.open() for _ in range(crowd)]
    talk(thread, talkers, [], 30)
    rounds = -(-crowd // max_batch)
    # Once due, a stream waits for the running batch and for those before it; 2 s is its chunk and the microphone's.
    bound = 2 + (rounds + 1) * (0.05 + max_batch * row_seconds)
    assert max(thread.longest_wait.values()) <= bound
    served = [thread.speech_of(stream) for stream in talkers]
    assert max(served) - min(served) <= 2 * LONGEST


@settings(deadline=None, max_examples=25)
@given(crowds, batches, st.integers(1, 5), st.floats(0.001, 0.06))
def test_uploads_go_on_beside_a_full_house(crowd: int, max_batch: int, files: int, row_seconds: float) -> None:
    thread = Thread(max_batch, row_seconds)
    talkers = [thread.open() for _ in range(crowd)]
    uploads = [thread.open("upload") for _ in range(files)]
    talk(thread, talkers, uploads, 60)
    assert sum(thread.speech_of(upload) for upload in uploads) >= LONGEST * (60 / (UPLOAD_EVERY_SECONDS + 4) - 1)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 16), st.integers(1, 5), st.floats(0.001, 0.05))
def test_uploads_delay_a_talker_by_one_short_step_at_most(crowd: int, files: int, row_seconds: float) -> None:
    alone, beside = Thread(16, row_seconds), Thread(16, row_seconds)
    talk(alone, [alone.open() for _ in range(crowd)], [], 30)
    talkers = [beside.open() for _ in range(crowd)]
    talk(beside, talkers, [beside.open("upload") for _ in range(files)], 30)
    one_upload = 0.05 + row_seconds
    worst = max(beside.longest_wait[stream] for stream in talkers)
    # A later turn finds a microphone's piece more in the queue, and so does every turn behind it.
    assert worst <= max(alone.longest_wait.values()) + 2 * one_upload + 2 * MICROPHONE


@given(st.integers(1, 20))
def test_a_silent_or_stalled_stream_is_never_in_a_batch(silent: int) -> None:
    thread = Thread(16, 0.01)
    for _ in range(silent):
        thread.open()
    talker = thread.open()
    talker.push(speech(1))
    assert [step.stream for step in thread.step()] == [talker]
    assert thread.step() == []


def test_a_backlog_is_no_right_of_way() -> None:
    thread = Thread(1, 0.01)
    behind, fresh = thread.open(), thread.open()
    behind.push(speech(30))
    thread.now = 0.1
    fresh.push(speech(CHUNK))
    thread.now = 0.2
    assert [thread.step()[0].stream for _ in range(3)] == [behind, fresh, behind]


def test_uploads_share_the_thread_while_nobody_is_live_and_keep_out_of_the_way_otherwise() -> None:
    thread = Thread(16, 0.01)
    uploads = [thread.open("upload") for _ in range(5)]
    for upload in uploads:
        upload.push(speech(2 * LONGEST))
    assert len(thread.step()) == 5
    thread.open()
    assert len(thread.step()) == 1


def test_an_upload_waits_for_a_long_step_but_not_for_its_last() -> None:
    thread = Thread(16, 0.01)
    upload = thread.open("upload")
    upload.push(speech(1))
    assert thread.step() == []
    upload.push(Pause(SAMPLE_RATE))
    assert len(thread.step()) == 1


def test_old_speech_is_due_with_less_than_a_chunk() -> None:
    thread = Thread(16, 0.01)
    stream = thread.open()
    stream.push(speech(0.1))
    assert thread.step() == []
    assert thread.schedule.seconds_to_next(thread.streams, thread.now) == LONGEST
    thread.now = LONGEST
    assert len(thread.step()) == 1
    assert thread.schedule.seconds_to_next(thread.streams, thread.now) is None


@given(st.lists(st.one_of(st.floats(0.01, 4.0), st.none()), max_size=20), st.floats(0.1, 3.0))
def test_steps_carry_everything_once_in_order_and_end_at_pauses(events: list[float | None], limit: float) -> None:
    thread = Thread(1, 0.01)
    stream = thread.open()
    at = 0
    pauses = []
    for event in events:
        if event is None:
            stream.push(Pause(at))
            pauses.append(at)
        else:
            frame = speech(event, at)
            stream.push(frame)
            at = frame.end
    steps = []
    while not stream.idle:
        step = stream.take(samples(limit))
        stream.done(Commit())
        assert step.samples <= samples(limit)
        steps.append(step)
    position = 0
    for step in steps:
        *frames, last = step.events
        for event in (*frames, *([last] if isinstance(last, Frame) else [])):
            assert isinstance(event, Frame) and event.start == position
            position = event.end
        assert isinstance(last, Frame) or last.at == position
    assert position == at
    assert [event.at for step in steps for event in step.events if isinstance(event, Pause)] == pauses
    assert stream.backlog == 0 and stream.pauses == 0
