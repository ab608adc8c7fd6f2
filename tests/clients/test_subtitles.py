import json
from itertools import pairwise

import pytest

from wlkd.contract.audio import samples
from wlkd.contract.types import Line, Word
from wlkd.transports.subtitles import MAX_CUE_COLUMNS, ROW_COLUMNS, WRITERS, columns, cues, rows


def line(*words: tuple[str, float, float], language: str | None = "en") -> Line:
    made = tuple(Word(text, samples(start), samples(end), 0.5) for text, start, end in words)
    return Line(made[0].start, made[-1].end, made, language)


HELLO = line((" Hello,", 0.5, 0.9), (" world.", 1.0, 1.4))
SILENCE = Line(samples(1.4), samples(3661.5))
LATER = line((" <b> & more", 3661.5, 3662.0))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "Hello, world.\n<b> & more\n"),
        (
            "srt",
            "1\n00:00:00,500 --> 00:00:01,400\nHello, world.\n\n2\n01:01:01,500 --> 01:01:02,000\n<b> & more\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.500 --> 00:00:01.400\nHello, world.\n"
            "\n01:01:01.500 --> 01:01:02.000\n&lt;b&gt; &amp; more\n",
        ),
    ],
)
def test_formats(form, expected):
    assert WRITERS[form]([HELLO, SILENCE, LATER], "x.wav") == expected


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


def test_long_lines_become_readable_cues_that_lose_nothing():
    long = line(*((f" word{number}", number * 0.3, number * 0.3 + 0.2) for number in range(60)))
    made = list(cues([long]))
    assert " ".join(cue.text for cue in made) == long.text.strip()
    assert all(columns(cue.text) <= MAX_CUE_COLUMNS for cue in made)
    assert all(cue.end - cue.start <= samples(7.0) for cue in made)
    assert all(before.end <= after.start for before, after in pairwise(made))


def test_no_last_word_stands_alone():
    text = "The words of Shelley's fragment upon the moon wandering companionless, pale for weariness."
    words = line(*((f" {word}", place * 0.4, place * 0.4 + 0.3) for place, word in enumerate(text.split())))
    first, second = (columns(cue.text) for cue in cues([words]))
    assert abs(first - second) < 15


def test_a_word_longer_than_the_screen_stays_whole():
    assert [cue.text for cue in cues([line((" " + "x" * 200, 0.0, 1.0), (" y", 1.0, 1.1))])] == ["x" * 200, "y"]


def test_wide_characters_are_split_without_spaces():
    made = list(cues([line(*(("字", place * 0.1, place * 0.1 + 0.1) for place in range(60)))]))
    assert [len(cue.text) for cue in made] == [30, 30]


def test_a_silence_inside_a_line_takes_the_text_off_the_screen():
    assert [cue.text for cue in cues([line((" one", 0.0, 0.5), (" two", 3.0, 3.5))])] == ["one", "two"]


def test_a_mark_is_not_parted_from_its_word():
    made = list(cues([line((" one", 0.0, 0.5), (",", 3.0, 3.5))]))
    assert [cue.text for cue in made] == ["one,"]


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
