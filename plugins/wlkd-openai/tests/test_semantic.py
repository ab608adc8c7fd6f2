"""Turns that end by sense: `semantic_vad` with a turn detector, by a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest
from wlkd_openai.realtime.items import Event, Items
from wlkd_openai.realtime.settings import Settings

from wlkd import Update, Word

SECOND = 16_000


def items(unsure: float | None = 4.0, judged: bool = True) -> Items:
    made = Items(beta=False)
    made.unsure_seconds, made.judged = unsure, judged
    return made


def brief(events: list[Event]) -> list[str]:
    return [str(event.get("transcript", event["type"].rpartition(".")[2])) for event in events]


def said(text: str, **fields: Any) -> Update:
    return Update(committed=(Word(f" {text}", 0, SECOND),), segment_end=True, **fields)


ENDED = ["speech_stopped", "committed", "added", "done"]


def test_a_pause_for_thought_stays_in_the_turn() -> None:
    turns = items()
    assert brief(turns.on_update(Update(speech_start=0, received=SECOND), 1.0)) == ["speech_started"]
    pause: dict[str, Any] = {"speech_start": 0, "speech_end": SECOND, "received": SECOND}
    assert brief(turns.on_update(said("but", **pause), 1.0)) == ["delta"]
    assert turns.wait_seconds(1.0) == 4.0
    assert turns.on_update(Update(**pause, turn_over=0.1), 1.2) == []
    again: dict[str, Any] = {"speech_start": 2 * SECOND, "received": 3 * SECOND}
    assert turns.on_update(Update(**again), 3.0) == []
    assert turns.wait_seconds(3.0) is None
    assert brief(turns.on_update(said("so", **again, speech_end=3 * SECOND), 3.1)) == ["delta"]
    over = Update(**again, speech_end=3 * SECOND, turn_over=0.9)
    assert brief(turns.on_update(over, 3.4)) == [*ENDED, "but so"]
    assert not turns.pending


def test_the_end_of_an_earlier_stretch_ends_no_turn_whose_words_are_still_to_come() -> None:
    turns = items(unsure=2.0)
    turns.on_update(Update(speech_start=0, received=SECOND), 1.0)
    turns.on_update(Update(speech_start=0, speech_end=SECOND, received=SECOND, lag=SECOND), 1.0)
    again: dict[str, Any] = {"speech_start": 2 * SECOND, "received": 3 * SECOND, "lag": SECOND}
    turns.on_update(Update(**again), 3.0)
    again["speech_end"] = 3 * SECOND
    assert brief(turns.on_update(said("but", **again), 3.1)) == ["delta"]
    assert brief(turns.on_time(6.0)) == ENDED, "the turn is over, and its words are not"
    assert brief(turns.on_update(said("so", **{**again, "lag": 0}), 6.1)) == ["delta", "but so"]


def test_silence_ends_it_in_the_end() -> None:
    turns = items(unsure=2.0)
    turns.on_update(Update(speech_start=0), 1.0)
    turns.on_update(said("but", speech_start=0, speech_end=SECOND, received=SECOND, turn_over=0.1), 1.0)
    assert turns.on_time(2.9) == []
    assert turns.wait_seconds(2.9) == pytest.approx(0.1)
    assert brief(turns.on_time(3.0)) == [*ENDED, "but"]


def test_words_that_come_after_the_judgement_are_in_the_turn() -> None:
    turns = items()
    turns.on_update(Update(speech_start=0), 1.0)
    assert brief(turns.on_update(Update(speech_start=0, speech_end=SECOND, turn_over=0.9), 1.0)) == ENDED
    assert brief(turns.on_update(said("yes", speech_start=0, speech_end=SECOND), 1.5)) == ["delta", "yes"]


@pytest.mark.parametrize("final", [False, True])
def test_a_commit_and_the_end_of_the_audio_end_the_turn(final: bool) -> None:
    turns = items()
    turns.on_update(Update(speech_start=0), 1.0)
    turns.on_update(said("but", speech_start=0, speech_end=SECOND, received=SECOND), 1.0)
    events = turns.on_update(Update(segment_end=True, final=True)) if final else turns.committed(SECOND)
    assert brief(events) == [*ENDED, "but"]


def test_without_a_detector_every_pause_ends_the_turn() -> None:
    for turns in (items(judged=False), items(unsure=None)):
        turns.on_update(Update(speech_start=0), 1.0)
        assert brief(turns.on_update(said("but", speech_start=0, speech_end=SECOND), 1.0)) == [*ENDED, "delta", "but"]


def test_eagerness_says_how_long_silence_may_be() -> None:
    detection = {"type": "semantic_vad", "eagerness": "low"}
    wish = {"audio": {"input": {"turn_detection": detection}}}
    assert Settings().updated(wish, {"en"}).unsure_seconds == 8.0
    assert Settings().unsure_seconds is None
