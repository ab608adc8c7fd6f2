"""A diarizer beside the recognition, through a whole session: labels come later than words, and cost none."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from tests.test_session import PCM, core, pcm, rest
from wlkd.contract.components import Diarizer, DiarizerOptions, DiarizerStream
from wlkd.contract.errors import SessionError
from wlkd.contract.types import UNKNOWN_SPEAKER, Diarization, DiarizationParams, Frame, SpeechEvent, Turn, Update
from wlkd.plugins import Plugins
from wlkd.sessions.admission import Admission

Manner = Literal["prompt", "silent", "failing", "hanging"]
CHANGE = 16_000


class InTurns(Diarizer, DiarizerStream):
    """Two people, each for a second in turn. `silent`: it makes up its mind only when it is asked to."""

    manner: Manner = "prompt"
    gate = threading.Event()

    def open(self, params: DiarizationParams) -> DiarizerStream:
        stream = type(self)(self.config)
        stream.heard, stream.told, stream.whole = 0, 0, params.whole
        return stream

    heard = told = 0
    whole = False

    def feed(self, events: Sequence[SpeechEvent]) -> Diarization:
        if self.manner == "failing":
            raise ValueError("a defect")
        if self.manner == "hanging":
            self.gate.wait(20)
        self.heard = max([self.heard, *(event.end for event in events if isinstance(event, Frame))])
        return Diarization() if self.whole or self.manner == "silent" else self.settle()

    def settle(self) -> Diarization:
        turns = []
        while self.told < self.heard:
            turns.append(Turn(self.told, self.told + CHANGE, self.told // CHANGE % 2 + 1, 0.9))
            self.told += CHANGE
        return Diarization(tuple(turns), self.heard)

    def finish(self) -> Diarization:
        return self.settle()


@asynccontextmanager
async def diarizing(
    monkeypatch: pytest.MonkeyPatch, manner: Manner, max_wait: float = 20.0
) -> AsyncIterator[Admission]:
    made = type("Made", (InTurns,), {"manner": manner, "gate": threading.Event()})
    original = Plugins.component

    def component(self: Plugins, kind: str, name: str) -> Any:
        return made if kind == "diarizer" else original(self, kind, name)

    monkeypatch.setattr(Plugins, "component", component)
    values = {"diarizer": {"name": "campplus", "options": {"max_wait_seconds": max_wait}}}
    async with core(values) as admission:
        try:
            yield admission
        finally:
            made.gate.set()


def opened(admission: Admission, **arguments: Any) -> Any:
    query = {"diarize": "true"}
    return admission.open(PCM, **{"transport": "test", "peer": "here", "query": query, **arguments})


def speakers(update: Update) -> list[tuple[str, int | None]]:
    return [(word.text, word.speaker) for line in update.lines for word in line.words]


async def test_a_change_of_speaker_begins_a_line_and_words_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with diarizing(monkeypatch, "prompt") as admission, opened(admission) as session:
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


async def test_words_wait_in_sight_and_a_flush_does_not_wait_for_more_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    async with diarizing(monkeypatch, "silent") as admission, opened(admission) as session:
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


async def test_an_upload_is_told_at_its_end_from_the_whole_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with diarizing(monkeypatch, "prompt", 0.01) as admission, opened(admission, priority="upload") as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
    assert all(update.text == "" for update in updates if not update.final and not update.committed)
    assert [word.speaker for word in updates[-1].lines[-1].words] == [1]


async def test_a_diarizer_that_raises_costs_labels_and_no_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with diarizing(monkeypatch, "failing") as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        updates = await rest(session)
    assert updates[-1].text == " one two three four five"
    assert {speaker for _, speaker in speakers(updates[-1])} == {UNKNOWN_SPEAKER}
    assert "the diarizer failed" in caplog.text


async def test_a_diarizer_that_hangs_holds_words_back_no_longer_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with diarizing(monkeypatch, "hanging", 0.2) as admission, opened(admission) as session:
        await session.feed(pcm(2.5))
        await session.finish()
        assert (await rest(session))[-1].text == " one two three four five"


async def test_speakers_are_asked_for_where_there_are_none() -> None:
    async with core() as admission:
        with pytest.raises(SessionError, match="does not tell speakers apart") as refused:
            async with opened(admission):
                pass
        assert refused.value.code == "bad_request"


async def test_wishes_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with diarizing(monkeypatch, "prompt") as admission:
        for query in ({"diarize": "perhaps"}, {"diarize": "1", "max_speakers": "two"}):
            with pytest.raises(SessionError, match=r"perhaps|max_speakers"):
                async with opened(admission, query=query):
                    pass


def test_the_wait_is_an_option_with_a_bound() -> None:
    assert DiarizerOptions().max_wait_seconds == 3.0
