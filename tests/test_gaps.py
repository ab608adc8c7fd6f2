"""What a decoder says besides samples reaches the client, and hours without audio cost nothing."""

import asyncio
from collections.abc import Iterable

import pytest
from wlkd_pcm.decoder import Pcm

from tests.whole_core import STEREO, core, rest
from wlkd.contract.components import DecoderStream
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Decoded, Gap, Note, Update
from wlkd.sessions.progress import MAX_NOTES
from wlkd.testing import speech_like

HOUR = 3600 * 16000


class Telling(DecoderStream):
    """Makes what it was told to, and fails at the end where it should."""

    def __init__(self, items: Iterable[Decoded], failure: SessionError | None = None) -> None:
        self._items = items
        self._failure = failure

    def feed(self, data: bytes) -> Iterable[Decoded]:
        yield from self._items
        if self._failure is not None:
            raise self._failure

    def finish(self) -> Iterable[Decoded]:
        return ()


async def heard(monkeypatch: pytest.MonkeyPatch, stream: DecoderStream) -> Update:
    monkeypatch.setattr(Pcm, "open", lambda self, offer: stream)
    async with (
        core() as admission,
        asyncio.timeout(10),
        admission.open(STEREO, transport="test", peer="here", priority="upload") as session,
    ):
        await session.feed(b"1")
        await session.finish()
        return (await rest(session))[-1]


async def test_words_behind_a_gap_have_their_own_times(monkeypatch: pytest.MonkeyPatch) -> None:
    second = speech_like(1.0)
    update = await heard(monkeypatch, Telling([second, Gap(8000), second, Gap(HOUR), Note("damaged", "lost"), second]))
    assert update.received == 3 * 16000 + 8000 + HOUR
    words = [word for line in update.lines for word in line.words]
    assert words[-1].start >= 2 * 16000 + 8000 + HOUR
    assert [(note.code, note.start) for note in update.notes] == [("damaged", 2 * 16000 + 8000 + HOUR)]


async def test_a_recording_that_turns_undecodable_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = SessionError("undecodable_audio", "it is broken from here on")
    update = await heard(monkeypatch, Telling([speech_like(1.0)], failure))
    assert update.final and update.text == " one two"
    assert [(note.code, note.message) for note in update.notes] == [("cut_short", failure.message)]


async def test_one_of_which_nothing_was_heard_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SessionError, match="no audio"):
        await heard(monkeypatch, Telling([], SessionError("undecodable_audio", "no audio")))


async def test_notes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    update = await heard(monkeypatch, Telling(Note("damaged", str(number)) for number in range(5000)))
    assert len(update.notes) == MAX_NOTES + 1
    assert update.notes[-1].code == "more"
