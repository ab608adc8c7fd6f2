"""One stream from bytes to words, through the whole core, on the scripted backend."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
from wlkd_pcm.decoder import Pcm, PcmStream
from wlkd_scripted.backend import Scripted

from wlkd.config import make_config
from wlkd.contract.audio import samples
from wlkd.contract.components import DecoderStream, StepPlan
from wlkd.contract.errors import Code, ProvisionError, SessionError
from wlkd.contract.host import Session
from wlkd.contract.types import Commit, Decoded, Priority, Samples, StreamOffer, Update
from wlkd.daemon.pipeline import Core, running_core
from wlkd.plugins import load_plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.decoding import SLICE_SAMPLES
from wlkd.testing import speech_like

PCM = StreamOffer(encoding="s16le", sample_rate=16000, channels=1)
STEREO = StreamOffer(encoding="s16le", sample_rate=16000, channels=2)


@asynccontextmanager
async def core(values: Mapping[str, Any] = {}) -> AsyncIterator[Admission]:
    async with whole_core(values) as running:
        yield running.admission


@asynccontextmanager
async def whole_core(values: Mapping[str, Any] = {}) -> AsyncIterator[Core]:
    plugins = load_plugins()
    complete = {
        "decoders": {"pcm": {}},
        "vad": {"name": "none"},
        "backend": {"name": "scripted"},
        "worker": {"min_chunk_seconds": 0.2},
        "warmup": False,
        **values,
    }
    async with running_core(make_config(complete, plugins), plugins) as running:
        yield running


def pcm(seconds: float) -> bytes:
    return (speech_like(seconds) * 32767).astype("<i2").tobytes()


def opened(admission: Admission, **arguments: Any) -> Any:
    return admission.open(PCM, **{"transport": "test", "peer": "here", **arguments})


async def rest(session: Session) -> list[Update]:
    return [update async for update in session.updates()]


async def rest_of_drained(session: Session) -> list[Update]:
    updates: list[Update] = []
    with pytest.raises(SessionError) as caught:
        async for update in session.updates():
            updates.append(update)
    assert caught.value.code is Code.DRAINING
    return updates


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
        await admission.empty()
        await feeding
        assert len((await rest_of_drained(session))[-1].text.split()) == 40
        with pytest.raises(SessionError, match="shutting down"):
            await session.feed(pcm(1))


async def test_files_that_take_long_to_unpack_hold_up_no_live_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacking, begun = threading.Event(), threading.Semaphore(0)

    class Unpacking(DecoderStream):
        def feed(self, data: bytes) -> Samples:
            begun.release()
            unpacking.wait(5)
            return np.zeros(0, dtype=np.float32)

        def finish(self) -> Samples:
            return np.zeros(0, dtype=np.float32)

        def close(self) -> None:
            pass

    plain = Pcm.open
    monkeypatch.setattr(Pcm, "open", lambda self, offer: Unpacking() if offer == STEREO else plain(self, offer))
    monkeypatch.setattr("wlkd.daemon.pipeline.audio_threads", lambda cores: 2)
    async with core() as admission, AsyncExitStack() as stack:
        for _ in range(3):
            upload = admission.open(STEREO, transport="test", peer="here", priority="upload")
            await (await stack.enter_async_context(upload)).feed(b"1")
        assert await asyncio.to_thread(begun.acquire, timeout=5)
        async with opened(admission) as live, asyncio.timeout(3):
            await live.feed(pcm(1))
            await live.finish()
            assert (await rest(live))[-1].text == " one two"
        unpacking.set()


async def test_a_slow_reader_misses_no_word() -> None:
    async with core() as admission, opened(admission) as session:
        for _ in range(10):
            await session.feed(pcm(0.5))
            await session.flush()  # its words are in the transcript, and nobody reads them yet
        await session.finish()
        updates = await rest(session)
        assert sum(len(update.committed) for update in updates) == 10
        assert len(updates) < 5


async def test_a_session_that_is_behind_makes_its_client_wait() -> None:
    limits = {"max_backlog_seconds": 1}
    async with core({"sessions": limits}) as admission, opened(admission) as session:
        fed = 0

        async def speak() -> None:
            nonlocal fed
            for _ in range(40):
                await session.feed(pcm(0.5))
                fed += 1
            await session.finish()

        speaking = asyncio.create_task(speak())
        ahead, words = [], 0
        async for update in session.updates():
            words += len(update.committed)
            ahead.append(fed - words)
        await speaking
        assert words == 40
        assert 2 <= max(ahead) < 10, "half seconds that were taken and not yet recognized"


async def test_an_upload_whose_backlog_is_shorter_than_a_step_does_not_wait_for_more() -> None:
    values = {"sessions": {"max_backlog_seconds": 0.2}, "worker": {"max_chunk_seconds": 20}}
    async with core(values) as admission, opened(admission, priority="upload") as session:
        async with asyncio.timeout(10):
            for _ in range(5):
                await session.feed(pcm(0.5))
            await session.finish()
        assert (await rest(session))[-1].text == " one two three four five"


async def test_a_piece_that_unpacks_to_much_goes_on_as_the_backlog_allows() -> None:
    slow = {"name": "scripted", "options": {"step_seconds": 0.05}}
    limits = {"max_backlog_seconds": 5}
    offer = StreamOffer(encoding="u8", sample_rate=1000, channels=1)
    async with (
        core({"backend": slow, "sessions": limits}) as admission,
        admission.open(offer, transport="test", peer="here") as session,
    ):
        await session.feed(b"\x90" * 32_000)
        await session.finish()
        updates = await rest(session)
        assert updates[-1].received == samples(32)
        assert samples(5) <= max(update.lag for update in updates) <= samples(5) + SLICE_SAMPLES


@pytest.mark.parametrize("priority", ["live", "upload"])
async def test_the_lag_that_an_operator_sees_is_that_of_live_sessions(priority: Priority) -> None:
    shown = set()
    async with whole_core() as running, opened(running.admission, priority=priority) as session:
        await session.feed(pcm(2))
        await session.finish()
        async for update in session.updates():
            shown.add(update.lag > 0 and running.admission.lag_seconds > 0)
        observed = running.metrics.registry.get_sample_value("wlkd_commit_lag_seconds_count")
    assert shown == ({True, False} if priority == "live" else {False})
    assert bool(observed) is (priority == "live")


async def test_a_session_that_never_catches_up_is_told_so() -> None:
    stuck = {"name": "scripted", "options": {"step_seconds": 0.3}}
    limits = {"max_backlog_seconds": 1, "max_blocked_seconds": 0.05}
    async with core({"backend": stuck, "sessions": limits}) as admission, opened(admission) as session:
        with pytest.raises(SessionError) as caught:
            while True:
                await session.feed(pcm(2))
        assert caught.value.code == "too_slow"


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
        updates: list[Update] = []
        with pytest.raises(SessionError) as caught:
            async for update in session.updates():
                updates.append(update)
        assert caught.value.code == "undecodable_audio"
        assert updates[-1].text == " one two three"


async def test_a_silent_client_is_closed_after_its_words_are_out() -> None:
    async with core({"sessions": {"idle_timeout_seconds": 0.2}}) as admission, opened(admission) as session:
        await session.feed(pcm(0.5))
        updates: list[Update] = []
        with pytest.raises(SessionError) as caught:
            async for update in session.updates():
                updates.append(update)
        assert caught.value.code == "idle_timeout"
        assert updates[-1].text == " one"


async def test_leaving_in_the_middle_frees_everything() -> None:
    async with core() as admission:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with opened(admission) as session:
                await session.feed(pcm(1))
        assert admission.sessions == frozenset()
        assert len(asyncio.all_tasks()) == before


async def test_limits_refuse_the_next_one_and_harm_nobody() -> None:
    limits = {"max_sessions": 2, "max_sessions_per_address": 1}
    async with core({"sessions": limits}) as admission:
        async with opened(admission, peer="a"):
            with pytest.raises(SessionError, match="from a are open already"):
                async with opened(admission, peer="a"):
                    pass
            async with opened(admission, peer="b") as second:
                assert admission.refusal() is not None
                with pytest.raises(SessionError) as caught:
                    async with opened(admission, peer="c"):
                        pass
                assert caught.value.code == "server_full"
                await second.feed(pcm(0.5))
                await second.finish()
                assert (await rest(second))[-1].text == " one"
        assert admission.refusal() is None


async def test_auto_follows_what_the_worker_learns() -> None:
    slow = {"name": "scripted", "options": {"step_seconds": 0.2}}
    async with core({"backend": slow, "sessions": {"max_sessions": "auto"}}) as admission:
        async with opened(admission) as session:
            await session.feed(pcm(1))
            await session.finish()
            await rest(session)
        # A step of four streams, worth 1.75 s each, takes 0.2 s: the self-test has no time for one of eight.
        assert 1 <= admission.max_sessions <= 28
        measured = admission.max_sessions
        async with opened(admission):
            assert admission.refusal() is None or measured == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"language": "xx"}, "language 'xx' is not known"),
        ({"task": "sing"}, "unknown task 'sing'"),
    ],
)
async def test_bad_wishes_are_refused(query: dict[str, str], message: str) -> None:
    async with core() as admission:
        with pytest.raises(SessionError, match=message) as caught:
            async with opened(admission, query=query):
                pass
        assert caught.value.code == "bad_request"


async def test_only_known_tokens_come_in(tmp_path: Any) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# ours\nsecret\n")
    async with core({"auth": {"tokens_file": str(tokens)}}) as admission:
        for token in (None, "", "wrong", "\udcff"):
            refusal = admission.refusal(token)
            assert refusal is not None and refusal.code == "unauthorized"
        async with opened(admission, token="secret") as session:
            assert session.info.transport == "test"


async def test_draining_finishes_what_was_received() -> None:
    async with core() as admission, opened(admission) as session:
        await session.feed(pcm(1.5))
        admission.draining = True
        await admission.empty()
        with pytest.raises(SessionError) as caught:
            await session.feed(pcm(1))
        assert caught.value.code == "draining"
        last = (await rest_of_drained(session))[-1]
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
            await admission.empty()
            assert (await rest(session))[-1].final
        else:
            await admission.empty()
            await session.finish()
            assert (await rest_of_drained(session))[-1].final


async def test_long_prompts_are_cut_where_that_does_no_harm_and_refused_where_it_would() -> None:
    async with core() as admission:
        async with opened(admission, query={"initial_prompt": 5000 * "a" + "end"}) as session:
            prompt = session.info.params.initial_prompt
            assert len(prompt) == 4096 and prompt.endswith("aend")
        for name in ("static_prompt", "hotwords"):
            with pytest.raises(SessionError, match=f"{name} has 5000 characters; at most 4096"):
                async with opened(admission, query={name: 5000 * "a"}):
                    pass


async def test_prompts_that_every_session_would_be_refused_for_stop_the_start() -> None:
    with pytest.raises(ProvisionError, match="recognition: hotwords has 5000 characters"):
        async with core({"recognition": {"hotwords": [5000 * "a"]}}):
            pass


@pytest.mark.parametrize("recognition", [{"language": "ja"}, {"languages": ["en", "ja"]}])
async def test_a_language_that_the_model_does_not_know_stops_the_start(recognition: dict[str, Any]) -> None:
    with pytest.raises(ProvisionError, match="does not know ja"):
        async with core({"recognition": recognition}):
            pass


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
