"""Numerals, profanity, fillers, replacements and search, as the API has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from multidict import MultiDict
from wlkd_deepgram.paragraphs import paragraphs
from wlkd_deepgram.query import parse
from wlkd_deepgram.text import found

from wlkd import BadParameter, Line, Word


@pytest.mark.parametrize(
    ("query", "wishes"),
    [
        (
            [("numerals", "true"), ("profanity_filter", "true")],
            {"filters": "numbers,profanity", "numbers": "digits"},
        ),
        ([("filler_words", "true"), ("numerals", "false")], {"filters": "-numbers,-fillers"}),
        ([("filler_words", "false")], {"filters": "fillers"}),
        ([("replace", "teh:the"), ("replace", "monica:Monika")], {"replace": "teh:the,monica:Monika"}),
        ([], {}),
    ],
)
def test_parameters_become_wishes(query: list[tuple[str, str]], wishes: dict[str, str]) -> None:
    assert parse(MultiDict(query)).wishes == wishes


def test_a_value_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadParameter, match="numerals=some"):
        parse(MultiDict([("numerals", "some")]))


def test_terms_are_found_in_whole_words_with_their_times() -> None:
    words = [Word(" New", 0, 8000, 0.5), Word(" York,", 8000, 16000, 1.0), Word(" Newark", 16000, 24000)]
    assert found(["new york", "ark"], words) == {
        "search": [
            {
                "query": "new york",
                "hits": [{"confidence": 0.75, "start": 0.0, "end": 1.0, "snippet": "New York,"}],
            },
            {"query": "ark", "hits": []},
        ]
    }
    assert found([], words) == {}


def test_a_long_recording_is_gone_through_once_for_all_terms() -> None:
    class Words(list[Word]):
        readings = 0

        def __iter__(self) -> Iterator[Word]:
            self.readings += 1
            return super().__iter__()

    words = Words(Word(f" {number}", number, number + 1) for number in range(1000))
    assert [len(one["hits"]) for one in found([str(number) for number in range(900, 1100)], words)["search"]] == [
        *[1] * 100,
        *[0] * 100,
    ]
    assert words.readings == 1


def test_no_sentence_of_a_paragraph_ends_at_an_abbreviation() -> None:
    spoken = tuple(Word(text, place, place + 1) for place, text in enumerate([" Dr.", " Li", " came.", " Yes."]))
    [one] = paragraphs([Line(0, 4, spoken, "en")])["paragraphs"]
    assert [sentence["text"] for sentence in one["sentences"]] == ["Dr. Li came.", "Yes."]


def test_paragraphs_name_their_speaker_where_it_changes() -> None:
    said = [("Hello.", 1), ("Who is it?", 1), ("Me.", 2), ("Somebody.", -1), ("Come in.", 2)]
    lines = [Line(at, at + 1, (Word(f" {text}", at, at + 1, speaker=who),)) for at, (text, who) in enumerate(said)]
    told = paragraphs(lines)
    assert told["transcript"] == (
        "\nSpeaker 0: Hello.\n\nWho is it?\n\nSpeaker 1: Me.\n\nSomebody.\n\nSpeaker 1: Come in."
    )
    assert [one.get("speaker") for one in told["paragraphs"]] == [0, 0, 1, None, 1]
    alone = [Line(0, 1, (Word(" Hello.", 0, 1),)), Line(1, 2, (Word(" Well.", 1, 2),))]
    assert paragraphs(alone)["transcript"] == "\nHello.\n\nWell."
