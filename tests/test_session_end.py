"""However a session ends, its decoder is closed, nobody waits for ever, and what was heard is delivered."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.whole_core import rest_before
from wlkd.config.options import SessionOptions, WorkerOptions
from wlkd.contract.components import Backend, DecoderStream, Options, Recognizer, StepPlan, Vad, VadStream
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import (
    Commit,
    Frame,
    Pause,
    RecognitionParams,
    Samples,
    SessionInfo,
    SpeechEvent,
    StreamOffer,
    Word,
)
from wlkd.inference.backlog import Outcome, Stream
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.handover import Place
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.sessions.filters import Filters
from wlkd.sessions.hearing import Hearing
from wlkd.sessions.inbox import QUEUED_MESSAGES
from wlkd.sessions.progress import Progress
from wlkd.sessions.rendering import Rendering
from wlkd.sessions.session import LiveSession
from wlkd.sessions.transcript import Transcript


class Decoding(DecoderStream):
    """A tenth of a second for each byte; waits while `gate` is cleared."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.closed = 0

    def feed(self, data: bytes) -> Samples:
        self.entered.set()
        assert self.gate.wait(5)
        if data == b"defect":
            raise RuntimeError("a defect of the decoder")
        return np.zeros(1600 * len(data), dtype=np.float32)

    def finish(self) -> Samples:
        return np.zeros(0, dtype=np.float32)

    def close(self) -> None:
        self.closed += 1


class AllSpeech(Vad, VadStream):
    def open(self) -> VadStream:
        return AllSpeech(Options())

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        return [frame]

    def flush(self) -> list[SpeechEvent]:
        return self.finish()

    def finish(self) -> list[SpeechEvent]:
        return [Pause(0)]


class Counting(Backend, Recognizer):
    """Commits how many samples it heard when the speech pauses."""

    heard = 0

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        return Counting(Options())

    def accept(self, frame: Frame) -> None:
        self.heard += len(frame.samples)

    def end_segment(self, at: int) -> None:
        pass

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        one = batch[0].recognizer
        assert isinstance(one, Counting)
        return [Commit((Word(f" {one.heard}", 0, 1),))]


class Remembering(Worker):
    """Knows the streams that it has opened."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, WorkerOptions(), Metrics())
        self.opened: list[Stream] = []

    def open(self, params: RecognitionParams, on_outcome: Callable[[Outcome], None]) -> Stream:
        stream = super().open(params, on_outcome)
        self.opened.append(stream)
        return stream


class Pausing(AllSpeech):
    """A pause after each piece of audio."""

    def open(self) -> VadStream:
        return Pausing(Options())

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        return [frame, Pause(frame.end)]

    def finish(self) -> list[SpeechEvent]:
        return []


class Holding(Counting):
    """Leaves its word tentative until a pause is over."""

    over = False

    def open(self, params: RecognitionParams) -> Recognizer:
        return Holding(Options())

    def pause(self, at: int) -> None:
        pass

    def end_segment(self, at: int) -> None:
        self.over = True

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        one = batch[0].recognizer
        assert isinstance(one, Holding)
        words = (Word(f" {one.heard}", 0, 1),)
        return [Commit(words, segment_end=True) if one.over else Commit(tentative=words)]


class Setup:
    def __init__(self, worker: Remembering, pool: ThreadPoolExecutor, vad: type[AllSpeech] = AllSpeech) -> None:
        self.worker = worker
        self._pool = pool
        self._vad = vad
        self.decoding = Decoding()

    def session(self) -> LiveSession:
        params = RecognitionParams()
        engine = Engine("default", Counting(Options()), self.worker)
        place = Place(lambda: Engines({"default": engine}), engine, params, decides=False)
        return LiveSession(
            SessionInfo("1", "test", "here", StreamOffer(), params, 0.0),
            Hearing(self.decoding, self._vad(Options()), self._pool),
            Progress(Transcript(line_pause=32_000, silence_line=80_000, max_line=480_000)),
            place,
            Rendering("simplified", Filters({}), {}),
            SessionOptions(),
            Metrics(),
            lambda info, update: None,
        )

    async def decoding_hangs(self, session: LiveSession) -> None:
        """Returns when a call is in the pool and will not come back before `gate` is set."""
        self.decoding.gate.clear()
        await session.feed(b"1")
        await asyncio.to_thread(self.decoding.entered.wait, 5)

    async def all_else_goes_on(self) -> None:
        """Returns when what can be done while a call hangs has been done, on the event loop and in the pool."""
        for _ in range(10):
            await asyncio.get_running_loop().run_in_executor(self._pool, lambda: None)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    worker = Remembering(Counting(Options()))
    await worker.start(warm_up=False)
    with ThreadPoolExecutor(2) as pool:
        yield Setup(worker, pool)
    await worker.close()


async def test_a_session_that_is_left_at_once_closes_its_decoder(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await session.close()
    assert setup.decoding.closed == 1


async def test_a_decoder_is_closed_though_its_session_fails_and_is_left_meanwhile(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await setup.decoding_hangs(session)
    setup.worker.opened[0].done(SessionError("backend_failed", "gone"))
    await setup.all_else_goes_on()
    closing = asyncio.create_task(session.close())
    await setup.all_else_goes_on()
    assert setup.decoding.closed == 0
    setup.decoding.gate.set()
    await closing
    assert setup.decoding.closed == 1


async def test_who_is_cancelled_while_closing_notices_and_the_decoder_is_closed(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await setup.decoding_hangs(session)
    closing = asyncio.create_task(session.close())
    await setup.all_else_goes_on()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    setup.decoding.gate.set()
    await session.close()
    assert setup.decoding.closed == 1


async def test_a_flush_behind_a_bad_piece_fails_while_the_words_before_it_come(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await session.feed(b"1")
    await setup.decoding_hangs(session)
    await session.feed(b"defect")
    flushing = asyncio.create_task(session.flush())
    await setup.all_else_goes_on()
    setup.decoding.gate.set()
    with pytest.raises(SessionError) as caught:
        async with asyncio.timeout(1):
            await flushing
    assert caught.value.code == "internal"
    assert {update.flushes for update in await rest_before(Code.INTERNAL, session)} == {0}
    await session.close()


async def without_room(setup: Setup) -> LiveSession:
    """A session whose inbox is full, while a decoder hangs."""
    session = setup.session()
    session.start()
    await setup.decoding_hangs(session)
    for _ in range(QUEUED_MESSAGES):
        await session.feed(b"1")
    return session


async def test_a_flush_that_found_no_room_ends_with_its_session(setup: Setup) -> None:
    session = await without_room(setup)
    flushing = asyncio.create_task(session.flush())
    await setup.all_else_goes_on()
    setup.worker.opened[0].done(SessionError("backend_failed", "gone"))
    with pytest.raises(SessionError, match="gone"):
        async with asyncio.timeout(1):
            await flushing
    setup.decoding.gate.set()
    await session.close()


async def test_an_end_that_found_no_room_can_come_again(setup: Setup) -> None:
    session = await without_room(setup)
    finishing = asyncio.create_task(session.finish())
    await setup.all_else_goes_on()
    finishing.cancel()  # Its connection broke.
    with pytest.raises(asyncio.CancelledError):
        await finishing
    setup.decoding.gate.set()
    async with asyncio.timeout(5):
        await session.feed(b"1")
        await session.finish()
        with pytest.raises(SessionError, match="audio after the end"):
            await session.feed(b"1")
        updates = [update async for update in session.updates()]
    assert updates[-1].final and updates[-1].received == 1600 * (QUEUED_MESSAGES + 2)
    await session.close()


async def test_a_defect_of_a_decoder_costs_no_word_before_it(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await session.feed(b"1")
    await session.feed(b"defect")
    assert (await rest_before(Code.INTERNAL, session))[-1].text == " 1600"
    await session.close()


async def test_a_decoder_that_cannot_be_closed_costs_no_word(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a defect of the decoder")

    setup.decoding.close = fail  # type: ignore[method-assign]
    session = setup.session()
    session.start()
    await session.feed(b"1")
    await session.finish()
    assert [update async for update in session.updates()][-1].text == " 1600"
    await session.close()
    assert "close() failed" in caplog.text


async def test_who_asks_again_after_the_end_is_told_again(setup: Setup) -> None:
    session = setup.session()
    session.start()
    await session.feed(b"1")
    await session.finish()
    for _ in range(2):
        async with asyncio.timeout(1):
            assert [update async for update in session.updates()][-1].final
    await session.close()


async def test_words_held_at_a_pause_are_delivered_when_the_audio_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wlkd.inference.backlog.HOLD_SECONDS", 100)
    worker = Remembering(Holding(Options()))
    await worker.start(warm_up=False)
    with ThreadPoolExecutor(2) as pool:
        session = Setup(worker, pool, Pausing).session()
        session.start()
        await session.feed(b"12")
        await session.finish()
        async with asyncio.timeout(5):
            updates = [update async for update in session.updates()]
        await session.close()
    await worker.close()
    assert (updates[-1].final, updates[-1].text) == (True, " 3200")
