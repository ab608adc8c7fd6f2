"""A diarizer beside the recognition, through a whole session: labels come later than words, and cost none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from tests.in_turns import Hanging, Noting, Prompt, Remembering, Stuck
from tests.resuming_client import SECRET, Client
from tests.wav import wav
from tests.whole_core import PCM, core, pcm, rest
from wlkd.contract.components import DecoderStream, DiarizerOptions, DiarizerStream, Options, Vad, VadStream
from wlkd.contract.errors import BadParameter, SessionError
from wlkd.contract.priority import SMALL_SHARE
from wlkd.contract.types import (
    UNKNOWN_SPEAKER,
    Commit,
    Diarization,
    DiarizationParams,
    Frame,
    KnownSpeaker,
    Pause,
    Samples,
    SpeechEvent,
    Update,
    Word,
)
from wlkd.metrics import Metrics
from wlkd.sessions.admission import Admission
from wlkd.sessions.attribution import Attribution
from wlkd.sessions.known_speakers import voices_of
from wlkd.sessions.progress import Progress
from wlkd.sessions.speakers import WORDS_AT_ONCE, DiarizerService, Listening
from wlkd.sessions.transcript import Transcript

Diarizing = Callable[..., AbstractAsyncContextManager[Admission]]


@pytest.fixture
def diarizing(plug_in: Callable[[str], None]) -> Diarizing:
    """A core with one of the diarizers of `tests.in_turns`."""
    plug_in("in_turns")

    @asynccontextmanager
    async def running(name: str, max_wait: float = 20.0, **values: Any) -> AsyncIterator[Admission]:
        Hanging.gate.clear()
        options = {"max_wait_seconds": max_wait}
        async with core({"diarizer": {"name": name, "options": options}, **values}) as admission:
            try:
                yield admission
            finally:
                Hanging.gate.set()

    return running


def opened(admission: Admission, **arguments: Any) -> Any:
    query = {"diarize": "true"}
    return admission.open(PCM, **{"transport": "test", "peer": "here", "query": query, **arguments})


def speakers(update: Update) -> list[tuple[str, int | None]]:
    return [(word.text, word.speaker) for line in update.lines for word in line.words]


async def test_a_change_of_speaker_begins_a_line_and_words_are_told_once(diarizing: Diarizing) -> None:
    async with diarizing("prompt") as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
    assert updates[-1].text == " one two three four five" and updates[-1].final and updates[-1].waiting == ()
    assert [(line.text, line.speaker) for line in updates[-1].lines] == [
        (" one two", 1),
        (" three four", 2),
        (" five", 1),
    ]
    told = [(word.text, word.speaker) for update in updates for word in update.committed]
    assert told == speakers(updates[-1])


async def test_words_wait_in_sight_and_a_flush_does_not_wait_for_more_speech(diarizing: Diarizing) -> None:
    async with diarizing("reluctant") as admission, opened(admission) as session:
        await session.feed(pcm(1.0))
        async for update in session.updates():
            if update.waiting_text == " one":
                break
        assert update.lines == () and update.speaker_lag == 8_000
        await session.flush()
        async for update in session.updates():
            if update.flushes:
                break
        assert speakers(update) == [(" one", 1), (" two", 1)] and update.waiting == ()


async def test_an_upload_is_told_at_its_end_from_the_whole_of_it(diarizing: Diarizing) -> None:
    async with diarizing("prompt", 0.01) as admission, opened(admission, priority="upload") as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
    assert all(update.text == "" for update in updates if not update.final and not update.committed)
    assert [word.speaker for word in updates[-1].lines[-1].words] == [1]


async def test_a_diarizer_that_raises_costs_labels_and_no_words(
    diarizing: Diarizing, caplog: pytest.LogCaptureFixture
) -> None:
    async with diarizing("failing") as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
    assert updates[-1].text == " one two three four five"
    assert {speaker for _, speaker in speakers(updates[-1])} == {UNKNOWN_SPEAKER}
    assert "the diarizer failed" in caplog.text


async def test_a_diarizer_that_hangs_holds_words_back_no_longer_than_allowed(diarizing: Diarizing) -> None:
    async with diarizing("hanging", 0.2) as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        assert (await rest(session))[-1].text == " one two three four five"


async def test_the_diarizer_gives_way_to_recognition(diarizing: Diarizing) -> None:
    async with diarizing("noting") as admission, opened(admission) as session:
        await session.feed(pcm(1.0))
        await session.finish()
        assert (await rest(session))[-1].text == " one two"
    assert Noting.priorities == {SMALL_SHARE}


async def test_words_do_not_wait_for_a_diarizer_that_gets_no_time(diarizing: Diarizing) -> None:
    async with diarizing("hanging", 0.3) as admission, opened(admission) as session, asyncio.timeout(10):
        await session.feed(pcm(1.0))
        updates = session.updates()
        while (await anext(updates)).text != " one":
            pass
        await session.feed(pcm(1.0))
        while (update := await anext(updates)).text != " one two three":
            assert update.waiting == ()
    assert {speaker for _, speaker in speakers(update)} == {1}, "whoever will be known first"


async def test_a_diarizer_that_is_late_goes_on_with_the_latest_speech(diarizing: Diarizing) -> None:
    async with diarizing("hanging", 0.01) as admission, opened(admission) as session:
        for _ in range(16):
            await session.feed(pcm(0.5))
        async for update in session.updates():
            if update.received == 8 * 16_000:
                break
        Hanging.gate.set()
        begin, first = await asyncio.to_thread(Hanging.heard.get, timeout=10)
        start, end = await asyncio.to_thread(Hanging.heard.get, timeout=10)
    assert begin == 0 and first < start and end > 7 * 16_000 and end - start <= 5 * 16_000


async def test_who_flushes_again_and_again_leaves_a_late_diarizer_no_more_to_do() -> None:
    settled = 0

    class Counting(Stuck):
        def settle(self) -> Diarization:
            nonlocal settled
            settled += 1
            return Diarization()

    class Late(Hanging):
        def open(self, params: DiarizationParams) -> DiarizerStream:
            return Counting(SimpleQueue())

    transcript = Transcript(line_pause=32_000, silence_line=80_000, max_line=480_000)
    progress = Progress(transcript, attribution=Attribution(0.3))
    Hanging.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        service = DiarizerService(Late(DiarizerOptions(max_wait_seconds=0.3)), pool)
        listening = Listening("one", service, DiarizationParams(), progress, Metrics())
        listening.start()
        listening.hand_in(Frame(0, np.zeros(16_000, np.float32)))
        await asyncio.sleep(0.2)
        for _ in range(100):
            await listening.settle()
        Hanging.gate.set()
        async with asyncio.timeout(10):
            while not settled:
                await listening.settle()
                await asyncio.sleep(0.01)
        listening.close()
    assert settled < 10


async def test_the_speakers_of_a_whole_recording_hold_nobody_up() -> None:
    transcript = Transcript(line_pause=32_000, silence_line=80_000, max_line=480_000)
    progress, second, written = Progress(transcript, attribution=Attribution(None)), 16_000, [0]

    async def turn_over() -> None:
        while written[-1] < 1_000:
            await asyncio.sleep(0)
            written.append(transcript.words)

    with ThreadPoolExecutor(1) as pool:
        service = DiarizerService(Prompt(DiarizerOptions()), pool)
        listening = Listening("one", service, DiarizationParams(whole=True), progress, Metrics())
        listening.start()
        listening.hand_in(Frame(0, np.zeros(1_000 * second, np.float32)))
        for at in range(0, 1_000 * second, second):
            progress.committed(Commit((Word(" word", at, at + second),)))
        assert transcript.words == 0
        async with asyncio.timeout(20):
            await asyncio.gather(listening.finish(), turn_over())
        listening.close()
    assert max(after - before for before, after in pairwise(written)) == WORDS_AT_ONCE


async def test_everybody_keeps_his_number_on_another_node(diarizing: Diarizing, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    client, query = Client(pcm(8.0)), {"diarize": "true"}
    values = {"auth": {"continuation_key": str(key)}}
    async with diarizing("remembering", **values) as first, diarizing("remembering", **values) as second:
        async with opened(second):
            pass  # There, the next two people would be others.
        async with client.connected(first, query=query) as session:
            await client.hear(session, 6)
        before = len(client.words)
        async with client.connected(second, query=query) as session:
            await client.hear_the_end(session)
    assert before < len(client.words) == 16
    assert [word.speaker for word in client.words] == [1, 1, 2, 2] * 4


async def test_who_was_known_elsewhere_is_known_before_anybody_speaks_here() -> None:
    transcript = Transcript(line_pause=32_000, silence_line=80_000, max_line=480_000)
    progress, voices = Progress(transcript, attribution=Attribution(3.0)), {"people": [4, 3]}
    with ThreadPoolExecutor(1) as pool:
        service = DiarizerService(Remembering(DiarizerOptions()), pool)
        Listening("one", service, DiarizationParams(memory=voices), progress, Metrics())
    assert progress.speakers_memory["voices"] == voices


def sound(seconds: float, rate: int = 16_000) -> bytes:
    """A recording in a file."""
    return wav(pcm(seconds), rate=rate)


KNOWN = [KnownSpeaker("Ann", sound(2.0), "audio/wav"), KnownSpeaker("Bob", sound(3.0))]


async def test_those_who_are_known_have_their_numbers_before_they_speak(diarizing: Diarizing) -> None:
    async with (
        diarizing("acquainted", decoders={"pcm": {}, "av": {}}) as admission,
        opened(admission, known_speakers=KNOWN) as session,
    ):
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
        assert session.info.diarization.known == ()
    assert [(line.text, line.speaker) for line in updates[-1].lines] == [
        (" one two", 2),
        (" three four", 3),
        (" five", 2),
    ]


@pytest.mark.parametrize(
    ("recording", "complaint"),
    [
        (sound(1.5), r"\[1\], of 'Bob': it lasts 1.5 s; a reference has 2 to 10 s"),
        (sound(11.0), r"\[1\], of 'Bob': it is longer; a reference has 2 to 10 s"),
        (b"no sound" * 500, r"\[1\], of 'Bob': "),
    ],
)
async def test_a_recording_that_cannot_be_used_is_refused(
    diarizing: Diarizing, recording: bytes, complaint: str
) -> None:
    known = [KNOWN[0], KnownSpeaker("Bob", recording)]
    async with diarizing("acquainted", decoders={"pcm": {}, "av": {}}) as admission:
        with pytest.raises(BadParameter, match=complaint) as refused:
            async with opened(admission, known_speakers=known):
                pass
        assert refused.value.name == "known_speaker_references"


async def test_a_recording_without_speech_is_refused(diarizing: Diarizing) -> None:
    known = [KnownSpeaker("Ann", wav(bytes(96_000)))]
    async with diarizing("acquainted", decoders={"pcm": {}, "av": {}}, vad={"name": "silero"}) as admission:
        with pytest.raises(BadParameter, match=r"only 0\.0 s of it are speech"):
            async with opened(admission, known_speakers=known):
                pass


class LateVad(Vad, VadStream):
    """Tells a pause half a second late."""

    def open(self) -> VadStream:
        return LateVad(Options())

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        speech, more = frame.samples[16_000:24_000], frame.samples[40_000:47_200]
        return [Frame(16_000, speech), Pause(16_000), Frame(40_000, more), Pause(46_400)]

    def flush(self) -> list[SpeechEvent]:
        return self.finish()

    def finish(self) -> list[SpeechEvent]:
        return []


class Samples3s(DecoderStream):
    def feed(self, data: bytes) -> Samples:
        return np.arange(48_000, dtype=np.float32)

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)


async def test_silence_before_a_pause_is_told_is_no_speech_of_a_recording() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(BadParameter, match=r"only 0\.4 s of it are speech"):
        await voices_of([KnownSpeaker("Ann", b"3 s")], lambda offer: Samples3s(), LateVad(Options()), pool)


async def test_who_can_know_nobody_says_so(diarizing: Diarizing) -> None:
    async with diarizing("prompt") as admission:
        with pytest.raises(BadParameter, match="takes no known ones"):
            async with opened(admission, known_speakers=KNOWN):
                pass
        with pytest.raises(BadParameter, match="only where speakers are to be told apart"):
            async with opened(admission, query={}, known_speakers=KNOWN):
                pass
    async with diarizing("acquainted") as admission:
        query = {"diarize": "true", "max_speakers": "1"}
        with pytest.raises(BadParameter, match="2 speakers; at most 1 can be known"):
            async with opened(admission, query=query, known_speakers=KNOWN):
                pass


@pytest.mark.parametrize("name", ["hanging", "reluctant"])
async def test_words_do_not_wait_for_more_audio_nor_for_a_late_diarizer(diarizing: Diarizing, name: str) -> None:
    async with diarizing(name, 0.2) as admission, opened(admission) as session:
        await session.feed(pcm(1.0))
        async with asyncio.timeout(10):
            async for update in session.updates():
                if update.text == " one":
                    break


async def test_speakers_are_asked_for_where_there_are_none() -> None:
    async with core() as admission:
        with pytest.raises(SessionError, match="does not tell speakers apart") as refused:
            async with opened(admission):
                pass
        assert refused.value.code == "bad_request"


async def test_wishes_that_make_no_sense_are_refused(diarizing: Diarizing) -> None:
    async with diarizing("prompt") as admission:
        numbers = ("two", "0", 5_000 * "9")
        for query in ({"diarize": "perhaps"}, *({"diarize": "1", "max_speakers": number} for number in numbers)):
            with pytest.raises(BadParameter, match=r"perhaps|max_speakers"):
                async with opened(admission, query=query):
                    pass


def test_the_wait_is_an_option_with_a_bound() -> None:
    assert DiarizerOptions().max_wait_seconds == 3.0
