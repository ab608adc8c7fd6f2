"""Updates to turns, with a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from multidict import MultiDict
from wlkd_deepgram.flux.query import parse_flux
from wlkd_deepgram.flux.turns import MAX_WORDS, Turns

from wlkd import BadParameter, Update, Word

SECOND = 16_000


def word(text: str, start: float, end: float) -> Word:
    return Word(f" {text}", round(start * SECOND), round(end * SECOND), 0.9)


def turns(judged: bool = False, **query: str) -> Turns:
    made = Turns(parse_flux(MultiDict(query)).thresholds)
    made.judged = judged
    return made


def brief(messages) -> list[tuple]:
    """Event, number of the turn, text; and what ended it."""
    return [
        (one["event"], one["turn_index"], one["transcript"], *([one["trigger"]] if "trigger" in one else []))
        for one in messages
    ]


SPEECH = Update(speech_start=0, committed=(word("hello", 0.1, 0.6),), received=SECOND)
PAUSE = replace(SPEECH, committed=(), speech_end=SECOND, received=round(1.5 * SECOND), segment_end=True)
"""Half a second of silence."""


def test_a_turn_starts_with_its_first_word_and_ends_by_silence():
    made = turns()
    assert made.on_update(Update(speech_start=0, received=SECOND), 0.9) == [], "a noise begins no turn"
    [start] = made.on_update(SPEECH, 1.0)
    assert start == {
        "type": "TurnInfo",
        "event": "StartOfTurn",
        "turn_index": 0,
        "audio_window_start": 0.0,
        "audio_window_end": 1.0,
        "transcript": "hello",
        "words": [{"word": "hello", "confidence": 0.9, "start": 0.1, "end": 0.6}],
        "end_of_turn_confidence": 0.0,
    }
    assert brief(made.on_update(replace(PAUSE, committed=(word("there", 0.6, 1),)), 1.5)) == [
        ("Update", 0, "hello there")
    ]
    assert made.wait_seconds(1.5) == pytest.approx(0.3)
    assert made.on_time(1.79) == []
    [end] = made.on_time(1.81)
    assert brief([end]) == [("EndOfTurn", 0, "hello there", "model")]
    assert end["end_of_turn_confidence"] == pytest.approx(0.7, abs=0.02)
    assert made.wait_seconds(1.9) is None
    later = replace(SPEECH, speech_start=3 * SECOND, received=4 * SECOND)
    assert brief(made.on_update(later, 4.0)) == [("StartOfTurn", 1, "hello")]


def test_an_end_waits_for_the_last_word():
    made = turns()
    made.on_update(SPEECH, 1.0)
    made.on_update(replace(PAUSE, segment_end=False), 1.5)
    assert made.wait_seconds(1.5) is None and made.on_time(3.0) == []
    made.on_update(replace(PAUSE, committed=(word("late", 0.7, 1),), received=3 * SECOND), 3.0)
    assert brief(made.on_time(3.0)) == [("EndOfTurn", 0, "hello late", "model")]


def test_the_end_of_an_earlier_stretch_ends_no_turn_whose_words_are_still_to_come():
    made = turns()
    made.on_update(SPEECH, 1.0)
    made.on_update(replace(PAUSE, segment_end=False, lag=SECOND // 2), 1.5)
    behind = Update(speech_start=round(1.7 * SECOND), received=3 * SECOND)
    made.on_update(replace(behind, lag=2 * SECOND), 3.0)
    behind = replace(behind, speech_end=3 * SECOND, received=4 * SECOND)
    first_stretch = replace(behind, committed=(word("there", 0.7, 1),), segment_end=True, lag=round(1.3 * SECOND))
    assert brief(made.on_update(first_stretch, 4.0)) == [("Update", 0, "hello there")]
    assert made.wait_seconds(4.0) is None and made.on_time(4.0) == []
    made.on_update(replace(behind, committed=(word("again", 2, 3),), segment_end=True), 4.5)
    assert brief(made.on_time(4.5)) == [("EndOfTurn", 0, "hello there again", "model")]


def test_an_eager_end_and_a_speaker_who_goes_on():
    made = turns(eager_eot_threshold="0.5")
    made.on_update(SPEECH, 1.0)
    made.on_update(PAUSE, 1.5)
    assert brief(made.on_time(1.6)) == [("EagerEndOfTurn", 0, "hello")]
    assert made.on_time(1.61) == [], "once"
    again = Update(speech_start=round(1.7 * SECOND), received=2 * SECOND)
    assert brief(made.on_update(again, 1.7)) == [("TurnResumed", 0, "hello")]
    assert made.on_time(9.0) == []
    said = replace(again, committed=(word("there", 1.8, 2),), received=3 * SECOND, speech_end=2 * SECOND)
    assert brief(made.on_update(replace(said, segment_end=True), 3.0)) == [("Update", 0, "hello there")]
    assert brief(made.on_time(3.0)) == [("EndOfTurn", 0, "hello there", "model")]


def test_an_eager_end_that_was_right_ends_with_the_same_words():
    made = turns(eager_eot_threshold="0.5")
    made.on_update(SPEECH, 1.0)
    made.on_update(PAUSE, 1.5)
    [eager], [end] = made.on_time(1.6), made.on_time(1.9)
    assert (eager["event"], end["event"]) == ("EagerEndOfTurn", "EndOfTurn")
    assert eager["transcript"] == end["transcript"]


def test_words_that_come_behind_an_eager_end_resume_the_turn_first():
    made = turns(eager_eot_threshold="0.3")
    made.on_update(SPEECH, 1.0)
    made.on_update(PAUSE, 1.5)
    made.on_time(1.6)
    late = replace(PAUSE, committed=(word("late", 0.7, 1),))
    assert brief(made.on_update(late, 1.65)) == [("TurnResumed", 0, "hello late"), ("Update", 0, "hello late")]


def test_a_turn_detector_outweighs_silence_both_ways():
    over = turns(judged=True)
    over.on_update(SPEECH, 1.0)
    over.on_update(PAUSE, 1.5)
    over.on_update(replace(PAUSE, turn_over=0.95, segment_end=False), 1.55)
    assert brief(over.on_time(1.55)) == [("EndOfTurn", 0, "hello", "model")]
    thinking = turns(judged=True)
    thinking.on_update(SPEECH, 1.0)
    thinking.on_update(replace(PAUSE, turn_over=0.1), 1.5)
    assert thinking.on_time(2.9) == [], "1.9 s of silence"
    assert brief(thinking.on_time(3.01)) == [("EndOfTurn", 0, "hello", "model")]


@pytest.mark.parametrize("threshold", ["0.9", "1.0"])
def test_the_timeout_ends_what_no_confidence_does(threshold):
    made = turns(judged=True, eot_threshold=threshold, eot_timeout_ms="700")
    made.on_update(SPEECH, 1.0)
    made.on_update(replace(PAUSE, turn_over=0.3), 1.5)
    assert made.wait_seconds(1.5) == pytest.approx(0.2)
    assert brief(made.on_time(1.71)) == [("EndOfTurn", 0, "hello", "timeout")]


def test_a_stream_faster_than_speech_ends_turns_by_its_own_time():
    made = turns()
    made.on_update(SPEECH, 0.0)
    made.on_update(PAUSE, 0.0)
    goes_on = Update(
        speech_start=5 * SECOND // 2, received=3 * SECOND, committed=(word("again", 2.5, 3),), segment_end=False
    )
    assert brief(made.on_update(goes_on, 0.01)) == [
        ("EndOfTurn", 0, "hello", "model"),
        ("StartOfTurn", 1, "again"),
    ]
    # The last words of a turn come when the next one has begun.
    made.on_update(replace(goes_on, committed=(), speech_end=3 * SECOND, received=4 * SECOND), 0.02)
    third = replace(goes_on, speech_start=9 * SECOND, committed=(), received=10 * SECOND)
    assert made.on_update(third, 0.03) == []
    words = (word("late", 2.9, 3), word("last", 9, 9.5))
    assert brief(made.on_update(replace(third, committed=words), 0.04)) == [
        ("EndOfTurn", 1, "again late", "timeout"),
        ("StartOfTurn", 2, "last"),
    ]


FIRST = Update(speech_start=0, received=SECOND, lag=SECOND)
FIRST_ENDS = replace(FIRST, speech_end=SECOND, received=2 * SECOND)
SHORT_PAUSE = replace(FIRST, speech_start=round(1.4 * SECOND), received=2 * SECOND)
SHORT_PAUSE_ENDS = replace(SHORT_PAUSE, speech_end=2 * SECOND, received=4 * SECOND)
THIRD = replace(FIRST, speech_start=5 * SECOND, received=6 * SECOND)
"""Two stretches of one turn, and one of the next: no word has come yet."""


def test_words_are_in_the_turn_that_they_were_spoken_in_however_late_they_come():
    made = turns()
    for update in (FIRST, FIRST_ENDS, SHORT_PAUSE, SHORT_PAUSE_ENDS, THIRD):
        assert made.on_update(update, 0.0) == []
    words = (word("one", 0.1, 0.9), word("two", 1.5, 1.9), word("three", 5.1, 5.9))
    messages = made.on_update(replace(THIRD, committed=words, segment_end=True), 0.1)
    assert brief(messages) == [
        ("StartOfTurn", 0, "one two"),
        ("EndOfTurn", 0, "one two", "model"),
        ("StartOfTurn", 1, "three"),
    ]
    assert [one["audio_window_start"] for one in messages] == [0.1, 0.1, 5.0]


def test_the_end_of_a_stretch_ends_no_turn_that_went_on_after_a_short_pause():
    made = turns()
    for update in (FIRST, FIRST_ENDS, SHORT_PAUSE, SHORT_PAUSE_ENDS, THIRD):
        made.on_update(update, 0.0)
    one = replace(THIRD, committed=(word("one", 0.1, 0.9),), segment_end=True)
    assert brief(made.on_update(one, 0.1)) == [("StartOfTurn", 0, "one")]
    two = replace(THIRD, committed=(word("two", 1.5, 1.9),), segment_end=True)
    assert brief(made.on_update(two, 0.2)) == [("EndOfTurn", 0, "one two", "model")]
    three = replace(THIRD, committed=(word("three", 5.1, 5.9),))
    assert brief(made.on_update(three, 0.3)) == [("StartOfTurn", 1, "three")]


def test_a_pause_that_no_update_told_of_ends_the_turn_by_its_words():
    for start, same_turn in ((5.0, False), (1.3, True)):
        made = turns()
        made.on_update(FIRST, 0.0)
        made.on_update(replace(THIRD, speech_start=round(start * SECOND)), 0.1)
        words = (word("one", 0.1, 0.9), word("two", start + 0.1, start + 0.5))
        messages = brief(made.on_update(replace(THIRD, speech_start=round(start * SECOND), committed=words), 0.2))
        assert messages[-1] == (("StartOfTurn", 0, "one two") if same_turn else ("StartOfTurn", 1, "two"))


def test_a_client_that_ends_turns_itself():
    made = turns(eot_threshold="1.0")
    made.on_update(SPEECH, 1.0)
    made.force(1)
    tail = (word("next", 1, 1.4),)
    assert brief(made.on_update(replace(SPEECH, committed=(), flushes=1, tentative=tail), 1.2)) == [
        ("Update", 0, "hello next"),
        ("EndOfTurn", 0, "hello", "manual"),
    ]
    assert brief(made.on_update(replace(SPEECH, committed=(), flushes=1, tentative=tail), 1.3)) == [
        ("StartOfTurn", 1, "next")
    ]


def test_a_force_outside_of_a_turn_and_the_end_of_the_audio():
    made = turns()
    made.force(1)
    assert made.on_update(Update(flushes=1, received=SECOND), 0.1) == []
    assert brief(made.on_update(replace(SPEECH, final=True, segment_end=True), 0.2)) == [
        ("StartOfTurn", 0, "hello"),
        ("EndOfTurn", 0, "hello", "manual"),
    ]
    assert made.rest() == []


def test_words_that_the_model_takes_back_are_no_turn_to_answer():
    made = turns()
    shown = replace(SPEECH, committed=(), tentative=(word("uh", 0.1, 0.3),))
    assert brief(made.on_update(shown, 1.0)) == [("StartOfTurn", 0, "uh")]
    made.on_update(replace(PAUSE, tentative=()), 1.5)
    assert made.on_time(3.0) == [] and made.wait_seconds(3.0) == pytest.approx(3.0)
    again = replace(SPEECH, speech_start=4 * SECOND, committed=(word("hello", 4, 4.5),), received=5 * SECOND)
    assert brief(made.on_update(again, 5.0)) == [("Update", 0, "hello")]


def test_a_turn_without_an_end_is_bounded():
    made = turns()
    words = tuple(word("on", number, number + 1) for number in range(MAX_WORDS))
    assert [one["event"] for one in made.on_update(replace(SPEECH, committed=words), 1.0)] == [
        "StartOfTurn",
        "EndOfTurn",
    ]


def test_a_session_that_fails_leaves_its_words():
    made = turns()
    made.on_update(SPEECH, 1.0)
    assert brief(made.rest()) == [("EndOfTurn", 0, "hello", "error")]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"eot_threshold": "0.4"}, "eot_threshold"),
        ({"eot_threshold": "nan"}, "eot_threshold"),
        ({"eager_eot_threshold": "0.8"}, "eager_eot_threshold"),
        ({"eot_timeout_ms": "soon"}, "eot_timeout_ms"),
        ({"model": "flux-general-en", "language_hint": "es"}, "language_hint"),
        ({"redact": "numbers"}, "redact"),
        ({"interim_results": "true"}, "interim_results"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(query, name):
    with pytest.raises(BadParameter) as refusal:
        parse_flux(MultiDict(query))
    assert refusal.value.name == name


@pytest.mark.parametrize(
    ("query", "wishes"),
    [
        ([("model", "flux-general-en")], {"language": "en"}),
        ([("model", "flux-general-multi")], {"language": "auto", "language_scope": "segment"}),
        ([("model", "flux-general-multi"), ("language_hint", "es")], {"language": "es"}),
        (
            [("model", "flux-general-multi"), ("language_hint", "es"), ("language_hint", "de")],
            {"language": "auto", "language_scope": "segment", "languages": "es,de"},
        ),
        ([("model", "tiny.en"), ("keyterm", "Quilter"), ("keyterm", "wlkd")], {"hotwords": "Quilter,wlkd"}),
    ],
)
def test_models_hints_and_key_terms_as_wishes(query, wishes):
    assert parse_flux(MultiDict(query)).wishes == wishes
