import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from wlkd.contract.audio import samples, seconds
from wlkd.contract.types import Line, Translation, Word
from wlkd.transports.breaks import columns
from wlkd.transports.subtitles import MAX_CUE_COLUMNS, ROW_COLUMNS, WRITERS, cues, rows, translated


def line(*words: tuple[str, float, float], language: str | None = "en") -> Line:
    made = tuple(Word(text, samples(start), samples(end), 0.5) for text, start, end in words)
    return Line(made[0].start, made[-1].end, made, language)


EXAMPLES = json.loads(Path(__file__).with_name("cues.json").read_text(encoding="utf-8"))
"""What docs/subtitles.md says, by example; the page is tested with the same."""

HELLO = line((" Hello,", 0.5, 0.9), (" world.", 1.0, 1.4))
SILENCE = Line(samples(1.4), samples(3661.5))
LATER = line((" <b> & more", 3661.5, 3662.0))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "Hello, world.\n<b> & more\n"),
        (
            "srt",
            "1\n00:00:00,500 --> 00:00:01,500\nHello, world.\n\n2\n01:01:01,500 --> 01:01:02,500\n<b> & more\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello, world.\n"
            "\n01:01:01.500 --> 01:01:02.500\n&lt;b&gt; &amp; more\n",
        ),
    ],
)
def test_formats(form, expected):
    assert WRITERS[form]([HELLO, SILENCE, LATER], "x.wav") == expected


def test_a_line_break_in_a_word_ends_no_cue() -> None:
    broken = line((" one\n\n2\r\n00:00:00,000 --> 9", 0.5, 0.9), (" two", 1.0, 1.4))
    text = "one 2 00:00:00,000 --> 9 two\n"
    assert WRITERS["text"]([broken], "x.wav") == text
    assert WRITERS["srt"]([broken], "x.wav") == f"1\n00:00:00,500 --> 00:00:01,500\n{text}"


def test_json_holds_words_and_times():
    found = json.loads(WRITERS["json"]([HELLO, SILENCE], "x.wav"))
    assert (found["source"], found["language"], found["text"]) == ("x.wav", "en", "Hello, world.")
    (only,) = found["lines"]
    assert only["words"][1] == {"start": 1.0, "end": 1.4, "text": " world.", "confidence": 0.5}


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_said(form):
    content = WRITERS[form]([], "x.wav")
    assert "-->" not in content
    assert form != "vtt" or content == "WEBVTT\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_cues_are_those_of_the_examples(example):
    lines = [line(*words, language=example.get("language")) for words in example["lines"]]
    made = [
        [round(seconds(cue.start), 3), round(seconds(cue.end), 3), rows(cue.text, cue.language)]
        for cue in cues(lines, lambda speaker: example.get("label", ""))
    ]
    assert made == example["cues"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_rows_of_the_examples_fit_on_the_screen(example):
    for row in (row for _, _, text in example["cues"] for row in text.split("\n")):
        assert columns(row) <= ROW_COLUMNS or " " not in row


def test_long_lines_become_readable_cues_that_lose_nothing():
    long = line(*((f" word{number}", number * 0.3, number * 0.3 + 0.2) for number in range(60)))
    made = list(cues([long]))
    assert " ".join(cue.text for cue in made) == long.text.strip()
    assert all(columns(cue.text) <= MAX_CUE_COLUMNS for cue in made)
    assert all(cue.end - cue.start <= samples(7.0) for cue in made)
    assert all(before.end <= after.start for before, after in pairwise(made))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("a" * 20 + " " + "b" * 20 + " " + "c" * 5, "a" * 20 + "\n" + "b" * 20 + " " + "c" * 5),
        ("字" * 30, "字" * 15 + "\n" + "字" * 15),
        ("x" * 60, "x" * 60),
    ],
)
def test_two_rows_of_about_equal_width(text, expected):
    assert rows(text) == expected
    assert columns("字") == 2
    assert ROW_COLUMNS == 42


def test_subtitles_in_the_listener_s_language_keep_the_time_of_each_sentence():
    said = line((" How are you?", 1.0, 2.0), (" Where is the station?", 2.0, 4.0), language="en")
    told = (Translation(16_000, 32_000, "Como vai?"), Translation(32_000, 64_000, " Onde fica a estação?"))
    lines = translated([replace(said, translations=told), SILENCE, line((" um", 5.0, 5.2))], "pt")
    assert WRITERS["srt"](lines, "") == "1\n00:00:01,000 --> 00:00:04,000\nComo vai? Onde fica a estação?\n"
    assert [word.text for word in lines[0].words] == ["Como", " vai?", " Onde", " fica", " a", " estação?"]
    assert WRITERS["text"](lines, "") == "Como vai? Onde fica a estação?\n"


def test_a_translation_that_another_server_leaves_blank_is_none():
    said = replace(HELLO, translations=(Translation(HELLO.start, HELLO.end, " "),))
    assert translated([said, SILENCE], "pt") == [SILENCE]


def test_a_long_translation_without_spaces_is_cut_into_readable_cues():
    said = line((" a long sentence", 0.0, 12.0))
    text = "这是一个很长的句子，" * 12
    made = list(cues(translated([replace(said, translations=(Translation(0, samples(12.0), text),))], "zh")))
    assert len(made) > 2 and "".join(cue.text for cue in made) == text
    assert all(columns(cue.text) <= MAX_CUE_COLUMNS for cue in made)
    assert all(not cue.text.startswith("，") for cue in made)
