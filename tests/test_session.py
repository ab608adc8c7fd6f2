"""One stream from bytes to words, through the whole core, on the scripted backend."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
from wlkd_pcm.decoder import PcmStream
from wlkd_scripted.backend import Scripted

from tests.whole_core import core, opened, pcm, rest, rest_before
from wlkd.contract.components import StepPlan
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import Commit, Decoded, Samples


async def test_everything_sent_is_committed_when_the_audio_ends() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
        last = updates[-1]
        assert last.text == " one two three four five"
        assert last.final and last.segment_end and last.lag == 0 and last.tentative == ()
        assert "".join(word.text for update in updates for word in update.committed) == last.text


async def test_words_come_while_the_audio_goes_on() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1.2))
        updates = session.updates()
        update = await anext(updates)
        while not update.committed:
            update = await anext(updates)
        assert update.text.startswith(" one")
        assert update.tentative_text
        assert not update.final
        assert update.speech_start == 0 and update.speech_end is None


async def test_flush_commits_everything_and_goes_on() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1))
        await session.flush()
        update = await anext(session.updates())
        assert update.text == " one two" and update.segment_end and update.flushes == 1
        await session.feed(pcm(0.5))
        await session.finish()
        assert (await rest(session))[-1].text == " one two three"


async def test_speech_that_begins_at_a_flush_is_heard_from_its_first_sound(speech_dir: Path) -> None:
    """A VAD is sure of speech some time after its beginning, and looks back for that."""
    speech, _ = soundfile.read(speech_dir / "en_librispeech_test_clean/1089-134686-0015.flac", dtype="int16")
    begin = 16_000
    audio = np.concatenate([np.zeros(begin, np.int16), speech[4_800:32_000]])
    starts = []
    for flushes in (False, True):
        async with core({"vad": {"name": "silero"}}) as admission, opened(admission) as session:
            await session.feed(audio[:begin].tobytes())
            if flushes:
                await session.flush()
            await session.feed(audio[begin:].tobytes())
            await session.finish()
            starts.append((await rest(session))[-1].lines[0].start)
    assert starts[0] == starts[1] < begin


async def test_a_message_that_is_being_taken_when_the_daemon_stops_is_taken_whole() -> None:
    slow = {"name": "scripted", "options": {"step_seconds": 0.02}}
    values = {"backend": slow, "sessions": {"max_backlog_seconds": 1}}
    async with core(values) as admission, opened(admission) as session:
        feeding = asyncio.create_task(session.feed(pcm(20)))
        updates = session.updates()
        while not (await anext(updates)).committed:
            pass
        assert not feeding.done()
        await admission.drain()
        await feeding
        assert len((await rest_before(Code.DRAINING, session))[-1].text.split()) == 40
        with pytest.raises(SessionError, match="shutting down"):
            await session.feed(pcm(1))


async def test_a_failing_backend_ends_its_session_only() -> None:
    backend = {"name": "scripted", "options": {"fail_on": " three"}}
    async with core({"backend": backend}) as admission, opened(admission) as good, opened(admission) as bad:
        await good.feed(pcm(0.5))
        await good.finish()
        await bad.feed(pcm(3))
        words = []
        with pytest.raises(SessionError) as caught:
            async for update in bad.updates():
                words += update.committed
        assert caught.value.code == "backend_failed"
        with pytest.raises(SessionError):
            await bad.feed(pcm(1))
        assert (await rest(good))[-1].text == " one"


async def test_words_without_an_end_end_their_session_only(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Scripted.run

    def run_wrongly(backend: Scripted, batch: Sequence[StepPlan]) -> list[Commit]:
        return [spoilt(commit) if commit.language == "de" else commit for commit in run(backend, batch)]

    def spoilt(commit: Commit) -> Commit:
        # Without a tentative word the last one waits, and is written when the session fails.
        return replace(commit, words=tuple(replace(word, end=cast(int, None)) for word in commit.words), tentative=())

    monkeypatch.setattr(Scripted, "run", run_wrongly)
    german = {"language": "de"}
    async with core() as admission, opened(admission) as good, opened(admission, query=german) as bad:
        await bad.feed(pcm(2))
        async with asyncio.timeout(5):
            with pytest.raises(SessionError) as caught:
                await rest(bad)
            await good.feed(pcm(0.5))
            await good.finish()
            assert (await rest(good))[-1].text == " one"
        assert caught.value.code == "internal"


async def test_words_spoken_before_a_bad_piece_are_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = PcmStream.feed

    def feed(stream: PcmStream, data: bytes) -> Samples | Iterable[Decoded]:
        if data == b"bad":
            raise SessionError("undecodable_audio", "not audio")
        return decode(stream, data)

    monkeypatch.setattr(PcmStream, "feed", feed)
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1.5))
        await session.feed(b"bad")
        updates = await rest_before(Code.UNDECODABLE_AUDIO, session)
        assert updates[-1].text == " one two three"


async def test_a_silent_client_is_closed_after_its_words_are_out() -> None:
    async with core({"sessions": {"idle_timeout_seconds": 0.2}}) as admission, opened(admission) as session:
        await session.feed(pcm(0.5))
        updates = await rest_before(Code.IDLE_TIMEOUT, session)
        assert updates[-1].text == " one"


async def test_leaving_in_the_middle_frees_everything() -> None:
    async with core() as admission:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with opened(admission) as session:
                await session.feed(pcm(1))
        assert admission.sessions == frozenset()
        assert len(asyncio.all_tasks()) == before


async def test_draining_finishes_what_was_received() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1.5))
        admission.draining = True
        await admission.drain()
        with pytest.raises(SessionError) as caught:
            await session.feed(pcm(1))
        assert caught.value.code == "draining"
        last = (await rest_before(Code.DRAINING, session))[-1]
        assert (last.text, last.final) == (" one two three", True)


async def test_a_client_s_mistake_is_raised_after_its_words() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1.5))
        await session.finish(SessionError(Code.BAD_REQUEST, "a text message"))
        words = ""
        with pytest.raises(SessionError, match="a text message"):
            async for update in session.updates():
                words = update.text
        assert words == " one two three"


@pytest.mark.parametrize("finished_before", [True, False])
async def test_who_has_ended_the_audio_is_not_told_of_the_drain(finished_before: bool) -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1))
        if finished_before:
            await session.finish()
            await admission.drain()
            assert (await rest(session))[-1].final
        else:
            await admission.drain()
            await session.finish()
            assert (await rest_before(Code.DRAINING, session))[-1].final


async def test_the_text_is_filtered_as_the_client_wishes_and_changes_in_the_middle() -> None:
    values = {"backend": {"name": "scripted", "options": {"script": [" um", " twenty", " three", " cats"]}}}
    async with core(values) as admission:
        async with opened(admission, query={"filters": "fillers,numbers", "replace": "cats:dogs"}) as session:
            await session.feed(pcm(2.0))
            await session.flush()
            session.change({"filters": "-numbers,-replace"})
            with pytest.raises(SessionError, match="unknown filter 'shout'; known: fillers, numbers, rep"):
                session.change({"filters": "shout"})
            await session.feed(pcm(2.0))
            await session.finish()
            last = (await rest(session))[-1]
            assert last.text == " 23 dogs twenty three cats"
            [number] = [word for word in last.lines[0].words if word.text == " 23"]
            assert (number.start, number.end) == (8000, 24000)
        with pytest.raises(SessionError, match="unknown filter 'numerals'"):
            async with opened(admission, query={"filters": "numerals"}):
                pass
