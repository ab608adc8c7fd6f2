"""A stream that loses its connection goes on, here or on another node: no word lost, doubled or revised."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from wlkd_scripted.backend import _Speaker
from wlkd_silero.everything import Everything, EverythingStream

from tests.resuming_client import RATE, Client, node, undisturbed
from tests.whole_core import opened, pcm
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Frame, SpeechEvent, Word


@pytest.mark.parametrize("seconds", [4.0, 30.0])
async def test_another_node_goes_on_without_a_word_lost_or_doubled(key: Path, seconds: float) -> None:
    audio = pcm(seconds)
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


async def test_words_that_begin_together_come_once(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _Speaker._next

    def in_pairs(speaker: _Speaker, ahead: int) -> Word:
        """Each second word begins with the one before, and the last of a step waits: nothing sure follows it."""
        word = replace(plain(speaker, ahead), confidence=0.5)
        second = (speaker._said + ahead) % 2
        return replace(word, start=max(word.start - RATE // 2, 0)) if second else word

    monkeypatch.setattr(_Speaker, "_next", in_pairs)
    audio = pcm(6)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await client.hear(session, 3)
        async with client.connected(second) as session:
            await client.hear_the_end(session)
    whole = await undisturbed(audio)
    assert len(whole.words) == 12
    assert [word.text for word in client.words] == [word.text for word in whole.words]


class LateStream(EverythingStream):
    """Notices half a second late that somebody speaks."""

    def __init__(self) -> None:
        super().__init__()
        self._begin: list[Frame] | None = []

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        if self._begin is None:
            return super().feed(frame)
        self._begin.append(frame)
        if frame.end - self._begin[0].start < RATE // 2:
            return []
        begin, self._begin = self._begin, None
        return [event for each in begin for event in super(LateStream, self).feed(each)]


async def test_a_connection_that_is_lost_before_the_vad_hears_the_words_again(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Everything, "open", lambda _: LateStream())
    audio = pcm(6)
    client = Client(audio)
    async with node(key) as first, node(key) as second, node(key) as third:
        async with client.connected(first) as session:
            await client.hear(session, 6)
        async with client.connected(second) as session:
            await client.hear(session, len(client.words))
        async with client.connected(third) as session:
            await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words


@pytest.mark.parametrize(("scope", "language", "engine"), [("session", "en", "small"), ("segment", None, "default")])
async def test_a_language_is_kept_elsewhere_for_its_scope(
    key: Path, scope: str, language: str | None, engine: str
) -> None:
    values = {"engines": {"small": {"name": "scripted"}}, "routing": {"en": "small"}}
    query = {"language_scope": scope}
    client = Client(pcm(4))
    async with node(key, **values) as first, node(key, **values) as second:
        for admission in (first, second):
            async with client.connected(admission, query=query) as session:
                await client.hear(session, len(client.words) + 2)
                assert next(iter(admission.sessions)).engine.name == engine
        assert session.info.params.language == language


async def test_silence_need_not_be_kept(key: Path) -> None:
    audio = pcm(2) + bytes(2 * RATE * 30)
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


async def test_at_a_stop_a_client_moves_at_its_next_pause(key: Path) -> None:
    audio = pcm(6)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await session.feed(audio[: 2 * 2 * RATE])
            updates = session.updates()
            while not client.words:
                client.take(await anext(updates))
            draining = asyncio.create_task(first.drain())
            await asyncio.sleep(0)
            assert "moves at its next pause" in str(*first.sessions)
            await session.flush()  # as if the speaker paused
            with pytest.raises(SessionError) as caught:
                async for update in updates:
                    client.take(update)
            assert caught.value.code == "moving"
            await draining
        async with asyncio.timeout(5):
            await first.drained()
        assert len(client.words) == 4
        async with client.connected(second) as session:
            assert client.sent_from[-1] == 2 * 2 * RATE
            await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words


async def test_who_cannot_move_may_go_on_for_a_while(key: Path) -> None:
    async with (
        node(key, sessions={"linger_seconds": 0.3}) as admission,
        opened(admission) as session,
    ):
        draining = asyncio.create_task(admission.drain())
        await asyncio.sleep(0)
        await session.feed(pcm(1))
        assert "still streams and cannot move" in str(*admission.sessions)
        await draining
        with pytest.raises(SessionError, match="shutting down"):
            await session.feed(pcm(1))
