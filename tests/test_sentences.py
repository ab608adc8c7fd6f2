"""Where sentences end: what is translated at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wlkd.contract.text import ends_sentence
from wlkd.contract.types import Word
from wlkd.sessions.sentences import Sentences

SECOND = 16_000
EXAMPLES = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))
"""Texts, their languages, and whether a sentence ends with them; the page is tested with the same."""


def told(*words: tuple[str, float, float], language: str = "en") -> Sentences:
    sentences = Sentences()
    for text, start, end in words:
        sentences.add(Word(text, round(start * SECOND), round(end * SECOND)), 0, language)
    return sentences


def evenly(text: str, seconds: float) -> list[tuple[str, float, float]]:
    """`text` at so many seconds a word."""
    return [(f" {word}", place * seconds, (place + 1) * seconds) for place, word in enumerate(text.split())]


def texts(sentences: Sentences) -> list[str]:
    return [sentence.text for sentence in sentences.take()]


@pytest.mark.parametrize(("text", "language", "ends"), EXAMPLES)
def test_the_last_word_of_a_text_says_whether_a_sentence_ends(text: str, language: str | None, ends: bool) -> None:
    assert ends_sentence(text, language) is ends


def test_a_sentence_ends_at_its_mark_and_is_told_once() -> None:
    sentences = told(*evenly('He said "No!" Why? Because of', 0.3))
    assert texts(sentences) == ['He said "No!"', "Why?"]
    assert texts(sentences) == []
    assert [word.text for word in sentences.open] == [" Because", " of"]


def test_the_full_stop_of_an_abbreviation_or_initial_ends_nothing() -> None:
    assert texts(told(*evenly("Dr. J. Smith lives here.", 0.3))) == ["Dr. J. Smith lives here."]
    meeting = "We meet at 3 p.m. on Monday, in the U.S. office, e.g. upstairs."
    assert texts(told(*evenly(meeting, 0.3))) == [meeting]


def test_no_is_an_answer_more_often_than_a_number() -> None:
    assert texts(told(*evenly("Is it art? No. It is not art. Yes", 0.3))) == ["Is it art?", "No.", "It is not art."]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Wir treffen Hr. Meier, z. B. gegen Nr. 5 bzw. ca. zehn."),
        ("fr", "Mme. Durand et M. Petit arrivent."),
        ("es", "La Sra. García y el Dr. Ruiz llegan."),
        ("it", "Il Sig. Rossi e il Dott. Verdi arrivano."),
        ("en", "Prof. Li vs. Mrs. Smith of St. Paul, i.e. approx. two."),
    ],
)
def test_other_languages_abbreviate_too(language: str, said: str) -> None:
    assert texts(told(*evenly(said, 0.3), language=language)) == [said]


def test_the_full_stop_of_an_ordinal_ends_nothing() -> None:
    german = evenly("Am 3. Oktober 1990. Und im 19. Jahrhundert?", 0.3)
    assert texts(told(*german, language="de")) == ["Am 3. Oktober 1990.", "Und im 19. Jahrhundert?"]
    assert texts(told(*evenly("It was number 3. Then he left.", 0.3))) == ["It was number 3.", "Then he left."]


def test_chinese_ends_without_spaces() -> None:
    words = [(mark, place * 0.2, place * 0.2 + 0.2) for place, mark in enumerate(["你", "好。", "再", "见！"])]
    assert texts(told(*words, language="zh")) == ["你好。", "再见！"]


def test_a_pause_ends_it() -> None:
    sentences = told((" well", 0, 0.5))
    sentences.end()
    assert texts(sentences) == ["well"]
    assert texts(told((" so", 0, 0.5), (" then", 1.6, 2))) == ["so"]


def test_another_speaker_or_language_begins_another_one() -> None:
    sentences = Sentences()
    for start, (text, speaker, language) in enumerate(
        [(" yes", 1, "en"), (" no", 2, "en"), (" nein", 2, "de"), (" doch", 2, "de")]
    ):
        sentences.add(Word(text, start * 100, start * 100 + 100, speaker=speaker), start, language)
    sentences.end()
    assert [(one.text, one.language, one.line) for one in sentences.take()] == [
        ("yes", "en", 0),
        ("no", "en", 1),
        ("nein doch", "de", 3),
    ]


def test_after_twelve_seconds_it_ends_at_the_last_comma_of_the_second_half_or_anywhere() -> None:
    assert texts(told(*evenly("a, b c d e f g h, i j k l", 1.0))) == ["a, b c d e f g h,"]
    assert texts(told(*evenly("a b c d e f g h i j k l m", 1.0))) == ["a b c d e f g h i j k l"]


def test_a_loop_without_time_is_bounded() -> None:
    assert len(texts(told(*([(" again and again", 1.0, 1.0)] * 100)))) == 2
