"""A stream that loses its connection goes on, here or on another node: no word lost, doubled or revised."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wlkd_scripted.backend import _Speaker

from wlkd.config import make_config
from wlkd.config.options import SessionOptions
from wlkd.contract.errors import SessionError
from wlkd.contract.host import Session
from wlkd.contract.types import Line, Restart, Seam, StreamOffer, Update, Word
from wlkd.daemon.pipeline import running_core
from wlkd.plugins import load_plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import MAC_BYTES, VERSION, Continuation, Keys
from wlkd.sessions.transcript import MOST_KEPT_WORDS
from wlkd.testing import speech_like

RATE = 16_000
PCM = StreamOffer(encoding="s16le", sample_rate=RATE, channels=1)
SECRET = "a secret of at least thirty-two characters\n"


@asynccontextmanager
async def node(key: Path | None, **values: Any) -> AsyncIterator[Admission]:
    plugins = load_plugins()
    complete = {
        "decoders": {"pcm": {}},
        "vad": {"name": "none"},
        "backend": {"name": "scripted"},
        "worker": {"min_chunk_seconds": 0.2},
        "auth": {"continuation_key": str(key) if key else None},
        "warmup": False,
        **values,
    }
    async with running_core(make_config(complete, plugins), plugins) as running:
        yield running.admission
        # As a daemon that stops: sessions that wait for their clients wait no longer.
        await running.admission.empty()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path


def speech(seconds: float) -> bytes:
    return (speech_like(seconds) * 32767).astype("<i2").tobytes()


class Client:
    """Keeps what a client has to keep, as docs/API.md says."""

    def __init__(self, audio: bytes) -> None:
        self.audio = audio
        self.words: list[Word] = []
        self.lines: list[str] = []
        self.seam: Seam | None = None
        self.sent_from: list[int] = []
        self.history: list[tuple[Seam, int, list[str]]] = []

    @asynccontextmanager
    async def connected(self, admission: Admission, **arguments: Any) -> AsyncIterator[Session]:
        resume = "" if self.seam is None else self.seam.continuation
        async with admission.open(PCM, transport="test", peer="here", resume=resume, **arguments) as session:
            begin = session.taken_up
            assert begin is not None
            assert begin.continued == (self.seam is not None)
            self.sent_from.append(begin.from_bytes)
            yield session

    def take(self, update: Update) -> None:
        assert update.seam is not None
        self.words += update.committed
        self.lines[update.seam.first_line :] = [line.text for line in update.lines]
        assert "".join(self.lines) == "".join(word.text for word in self.words)
        self.seam = update.seam
        self.history.append((self.seam, len(self.words), list(self.lines)))

    def miss(self, words: int) -> None:
        """As if the updates that came after the first `words` words had been lost with the connection."""
        self.seam, count, self.lines = next(entry for entry in self.history if entry[1] >= words)
        self.words = self.words[:count]

    async def hear(self, session: Session, words: int) -> None:
        """Send all there is, and read until there are so many words."""
        sending = asyncio.create_task(self.send(session))
        try:
            async for update in session.updates():
                self.take(update)
                if len(self.words) >= words:
                    return
        finally:
            sending.cancel()

    async def send(self, session: Session) -> None:
        for at in range(self.sent_from[-1], len(self.audio), 3200):
            await session.feed(self.audio[at : at + 3200])

    async def hear_the_end(self, session: Session) -> None:
        await self.send(session)
        await session.finish()
        async for update in session.updates():
            self.take(update)


async def undisturbed(audio: bytes) -> Client:
    client = Client(audio)
    async with node(None) as admission, client.connected(admission) as session:
        await client.hear_the_end(session)
    return client


@pytest.mark.parametrize("seconds", [4.0, 30.0])
async def test_another_node_goes_on_without_a_word_lost_or_doubled(key: Path, seconds: float) -> None:
    audio = speech(seconds)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await client.hear(session, int(seconds))
        before = len(client.words)
        async with client.connected(second) as session:
            await client.hear_the_end(session)
    whole = await undisturbed(audio)
    assert before < len(whole.words)
    assert client.words == whole.words
    assert client.lines == whole.lines
    if seconds > 10:
        # Somebody who never pauses still does not have to send everything again.
        assert client.sent_from[1] > 2 * RATE * (seconds / 2 - 12)


@pytest.mark.parametrize("max_line_seconds", [30, 240])
def test_the_largest_continuation_is_taken(max_line_seconds: float) -> None:
    SessionOptions(max_line_seconds=max_line_seconds)
    spoken = round(2 * max_line_seconds * 180 / 60)
    chance = random.Random(1)

    def words(count: int) -> tuple[Word, ...]:
        times = [(at * 5_000, at * 5_000 + chance.randint(1_000, 5_000)) for at in range(10**6, 10**6 + count)]
        letters = "".join(map(chr, range(0x4E00, 0x5800)))
        return tuple(Word("".join(chance.choices(letters, k=2)), *time, round(chance.random(), 3), 1) for time in times)

    def line(count: int) -> Line:
        return Line(0, 0, words(count), "zh")

    largest = Continuation(
        session="a" * 16,
        node="wlkd",
        offer=PCM,
        wishes={"hotwords": chance.randbytes(1500).hex()},
        language="zh",
        settled=0,
        restart=Restart(),
        context="",
        told=words(60),
        closed_lines=0,
        open_line=line(spoken),
        transcript_end=0,
        words=0,
        speakers={"voices": {str(number): base64.b64encode(chance.randbytes(193)).decode() for number in range(32)}},
        kept=tuple(line(30) for _ in range(MOST_KEPT_WORDS // 30)),
    )
    keys = Keys([SECRET.encode()])
    assert keys.open(keys.seal(largest)) == largest


async def test_words_that_begin_together_come_once(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _Speaker._next

    def in_pairs(speaker: _Speaker, ahead: int) -> Word:
        """Each second word begins with the one before, and the last of a step waits: nothing sure follows it."""
        word = replace(plain(speaker, ahead), confidence=0.5)
        second = (speaker._said + ahead) % 2
        return replace(word, start=max(word.start - RATE // 2, 0)) if second else word

    monkeypatch.setattr(_Speaker, "_next", in_pairs)
    audio = speech(6)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await client.hear(session, 3)
        async with client.connected(second) as session:
            await client.hear_the_end(session)
    whole = await undisturbed(audio)
    assert len(whole.words) == 12
    assert [word.text for word in client.words] == [word.text for word in whole.words]


@pytest.mark.parametrize(("scope", "language", "engine"), [("session", "en", "small"), ("segment", None, "default")])
async def test_a_language_is_kept_elsewhere_for_its_scope(
    key: Path, scope: str, language: str | None, engine: str
) -> None:
    values = {"engines": {"small": {"name": "scripted"}}, "routing": {"en": "small"}}
    query = {"language_scope": scope}
    client = Client(speech(4))
    async with node(key, **values) as first, node(key, **values) as second:
        for admission in (first, second):
            async with client.connected(admission, query=query) as session:
                await client.hear(session, len(client.words) + 2)
                assert next(iter(admission.sessions)).engine.name == engine
        assert session.info.params.language == language


async def test_the_living_session_goes_on_with_the_byte_that_it_lacks(key: Path) -> None:
    audio = speech(6)
    client = Client(audio)
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 4)
        (waiting,) = admission.sessions
        received = waiting.received_seconds
        async with client.connected(admission) as session:
            assert admission.sessions == {waiting}
            assert client.sent_from[-1] >= 2 * RATE * received
            await client.hear_the_end(session)
        assert admission.sessions == frozenset()
    assert client.words == (await undisturbed(audio)).words


@pytest.mark.parametrize("heard_elsewhere", [False, True])
async def test_back_on_a_node_where_the_session_of_before_waits_still(key: Path, heard_elsewhere: bool) -> None:
    audio = speech(8)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await client.hear(session, 4)
        (waiting,) = first.sessions
        async with client.connected(second) as session:
            if heard_elsewhere:
                await client.hear(session, 10)
        async with client.connected(first) as session:
            # What it missed elsewhere it cannot tell: then another session goes on, and the older one ends by itself.
            assert (first.sessions == {waiting}) is not heard_elsewhere
            await client.hear_the_end(session)
        assert (waiting in first.sessions) is heard_elsewhere
    whole = await undisturbed(audio)
    assert (client.words, client.lines) == (whole.words, whole.lines)


async def test_words_that_the_client_missed_come_again(key: Path) -> None:
    # Longer than any step, so that there are several updates on a busy machine, too.
    audio = speech(30)
    client = Client(audio)
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 20)
        client.miss(2)
        assert len(client.words) < 20
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words


async def test_a_second_connection_takes_over_and_the_first_is_told(key: Path) -> None:
    client = Client(speech(6))
    async with node(key) as admission, client.connected(admission) as first:
        await client.hear(first, 3)
        async with client.connected(admission) as second:
            with pytest.raises(SessionError) as caught:
                async for _ in first.updates():
                    pass
            assert caught.value.code == "taken_over"
            with pytest.raises(SessionError):
                await first.feed(b"\0\0")
            await client.hear_the_end(second)
        assert len(client.words) == 12


async def test_a_key_that_has_expired_goes_on_with_its_session_and_opens_no_other(key: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("sesame\n")
    auth = {"continuation_key": str(key), "tokens_file": str(tmp_path / "tokens")}
    client = Client(speech(6))
    async with node(key, auth=auth) as admission, node(key, auth=auth) as elsewhere:
        good, expired = (admission.grant("sesame", seconds)[0] for seconds in (600, -1))
        async with client.connected(admission, token=good) as session:
            await client.hear(session, 3)
        admission.check(transport="test", peer="here", token=expired, resuming=True)
        with pytest.raises(SessionError, match="valid token"):
            admission.check(transport="test", peer="here", token=expired)
        with pytest.raises(SessionError, match="valid token"):
            async with client.connected(elsewhere, token=expired):
                pass
        async with client.connected(admission, token=expired) as session:
            await client.hear_the_end(session)
        assert len(client.words) == 12


async def test_a_connection_that_breaks_while_it_takes_over_leaves_the_session_to_wait(key: Path) -> None:
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.02}},
        "sessions": {"max_backlog_seconds": 1, "resume_seconds": 0.1},
    }
    client = Client(speech(20))
    async with node(key, **values) as admission:

        async def take_over() -> None:
            async with client.connected(admission):
                pass

        async with client.connected(admission) as session:
            feeding = asyncio.create_task(session.feed(client.audio))
            async for update in session.updates():
                client.take(update)
                if client.words:
                    break
            taking_over = asyncio.create_task(take_over())
            for _ in range(10):  # turns of the event loop: what does not wait for the feed would be over
                await asyncio.sleep(0)
            assert not taking_over.done()
            taking_over.cancel()
            feeding.cancel()
            await asyncio.wait({taking_over, feeding})
        async with asyncio.timeout(5):
            await admission.drained()


async def test_a_session_waits_no_longer_than_told(key: Path) -> None:
    client = Client(speech(3))
    async with node(key, sessions={"resume_seconds": 0.1, "max_sessions": 1}) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert admission.refusal() is not None
        assert admission.refusal(resuming=True) is None
        async with asyncio.timeout(5):
            await admission.drained()
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
        assert len(client.words) == 6


@pytest.mark.parametrize("back", [False, True])
async def test_a_session_waits_for_nobody_who_cannot_name_it(key: Path, back: bool) -> None:
    client = Client(speech(3))
    async with node(key, sessions={"max_sessions": 1}) as admission:
        if back:
            async with client.connected(admission) as session:
                await client.hear(session, 1)
        # Gone before its first update. The one that comes back has a continuation all the same.
        async with client.connected(admission) as session:
            pass
        assert (admission.refusal() is None) is not back
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
    assert len(client.words) == 6


async def test_silence_need_not_be_kept(key: Path) -> None:
    audio = speech(2) + bytes(2 * RATE * 30)
    client = Client(audio)
    async with node(key, vad={"name": "silero"}) as admission, client.connected(admission) as session:
        sending = asyncio.create_task(client.send(session))
        async with asyncio.timeout(10):
            async for update in session.updates():
                client.take(update)
                assert client.seam is not None
                if client.seam.settled > 20 * RATE:
                    break
        assert client.seam.settled_bytes > 2 * RATE * 19
        await sending


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:80] + ("A" if text[80] != "A" else "B") + text[81:], "changed on the way"),
        (lambda text: text[:12], "cut short"),
        (lambda text: "no base64!", "damaged"),
        (lambda text: "A" * 50_000, "at most"),
    ],
)
async def test_a_continuation_that_was_tampered_with_is_refused(key: Path, change: Any, reason: str) -> None:
    client = Client(speech(2))
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert client.seam is not None
        with pytest.raises(SessionError, match=reason) as caught:
            async with admission.open(PCM, transport="test", peer="x", resume=change(client.seam.continuation)):
                pass
        assert caught.value.code == "cannot_resume"


def of_another_version(continuation: str) -> str:
    sealed = bytearray(base64.b64decode(continuation + "==", altchars=b"-_"))
    sealed[MAC_BYTES] = VERSION + 1
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


@pytest.mark.parametrize(
    ("same_key", "change", "reason", "told"),
    [
        (False, str, "another key", "the same auth.continuation_key"),
        (True, of_another_version, f"version {VERSION + 1}, and this server knows", "another version of wlkd"),
    ],
)
async def test_a_continuation_of_another_fleet_is_refused_and_the_log_says_so_once(
    key: Path,
    caplog: pytest.LogCaptureFixture,
    same_key: bool,
    change: Callable[[str], str],
    reason: str,
    told: str,
) -> None:
    client = Client(speech(2))
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 1)
    assert client.seam is not None
    foreign = change(client.seam.continuation)
    async with node(key if same_key else None) as stranger:
        for _ in range(2):
            with pytest.raises(SessionError, match=reason) as caught:
                async with stranger.open(PCM, transport="test", peer="here", resume=foreign):
                    pass
            assert caught.value.code == "cannot_resume"
    assert caplog.text.count(told) == 1


async def test_a_stream_from_a_machine_with_another_model_goes_on_and_the_log_says_so_once(
    key: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audio = speech(4)
    client = Client(audio)
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 2)
    keys = Keys([SECRET.strip().encode()])
    assert client.seam is not None
    sealed = keys.open(client.seam.continuation)
    large = keys.seal(replace(sealed, node="wlkd 0.2.0 simulstreaming large-v3"))
    async with node(key) as admission:
        for last in (False, True):
            client.seam = replace(client.seam, continuation=large)
            async with client.connected(admission) as session:
                if last:
                    await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words
    assert caplog.text.count(f"from a machine with wlkd 0.2.0 simulstreaming large-v3; this one has {sealed.node}") == 1


async def test_a_key_can_be_changed_without_refusing_anybody(key: Path, tmp_path: Path) -> None:
    client = Client(speech(3))
    async with node(key) as admission, client.connected(admission) as session:
        await client.hear(session, 1)
    both = tmp_path / "both"
    both.write_text("# the new one first\nanother secret of thirty-two characters and more\n" + SECRET)
    async with node(both) as admission, client.connected(admission) as session:
        await client.hear_the_end(session)
    assert len(client.words) == 6


async def test_at_a_stop_a_client_moves_at_its_next_pause(key: Path) -> None:
    audio = speech(6)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await session.feed(audio[: 2 * 2 * RATE])
            updates = session.updates()
            while not client.words:
                client.take(await anext(updates))
            emptying = asyncio.create_task(first.empty())
            await asyncio.sleep(0)
            assert "moves at its next pause" in str(*first.sessions)
            await session.flush()  # as if the speaker paused
            with pytest.raises(SessionError) as caught:
                async for update in updates:
                    client.take(update)
            assert caught.value.code == "moving"
            await emptying
        async with asyncio.timeout(5):
            await first.drained()
        assert len(client.words) == 4
        async with client.connected(second) as session:
            assert client.sent_from[-1] == 2 * 2 * RATE
            await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words


async def test_a_waiting_session_does_not_hold_up_a_stop(key: Path) -> None:
    client = Client(speech(3))
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert admission.sessions
        async with asyncio.timeout(5):
            await admission.empty()
            await admission.drained()


async def test_who_cannot_move_may_go_on_for_a_while(key: Path) -> None:
    async with (
        node(key, sessions={"linger_seconds": 0.3}) as admission,
        admission.open(PCM, transport="test", peer="here") as session,
    ):
        emptying = asyncio.create_task(admission.empty())
        await asyncio.sleep(0)
        await session.feed(speech(1))
        assert "still streams and cannot move" in str(*admission.sessions)
        await emptying
        with pytest.raises(SessionError, match="shutting down"):
            await session.feed(speech(1))


def test_a_continuation_keeps_all_of_a_word() -> None:
    word = Word(" yes", 0, 1600, 0.9, speaker=1, speaker_confidence=0.75, also_speaker=2)
    line = Line(0, 1600, (word, Word(" no", 1600, 3200)), "en")
    one = Continuation("s", "n", PCM, {}, "en", 0, Restart(), "", (), 0, line, line.end, len(line.words))
    keys = Keys([SECRET.encode()])
    assert keys.open(keys.seal(one)).open_line == line
