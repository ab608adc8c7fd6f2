"""Updates as lines, byte for byte."""

from __future__ import annotations

import json

import pytest
from wlkd_tcp.lines import JsonLines, TextLines

from wlkd import SessionError, Update, Word

AND_SO = (Word(" And", 5_280, 6_400), Word(" so,", 6_400, 13_280, 0.91))


def test_a_json_line_has_every_field_of_the_reference():
    line = JsonLines().write(Update(committed=AND_SO, language="en"), 2.25)
    assert line.endswith("}\n") and line.count("\n") == 1
    assert json.loads(line) == {
        "start": 0.33,
        "end": 0.83,
        "text": " And so,",
        "words": [
            {"start": 0.33, "end": 0.4, "text": " And", "confidence": None},
            {"start": 0.4, "end": 0.83, "text": " so,", "confidence": 0.91},
        ],
        "is_final": False,
        "emission_time": 2.25,
        "language": "en",
    }


def test_words_say_who_speaks_and_over_whom():
    word = Word(" And", 5_280, 6_400, speaker=2, also_speaker=1)
    [told] = json.loads(JsonLines().write(Update(committed=(word,)), 1.0))["words"]
    assert (told["speaker"], told["also_speaker"]) == (2, 1)


def test_a_stretch_of_speech_is_closed_exactly_once():
    lines = JsonLines()
    assert lines.write(Update(segment_end=True), 0.1) == ""
    lines.write(Update(committed=AND_SO), 1.0)
    closing = json.loads(lines.write(Update(segment_end=True), 2.0))
    assert (closing["is_final"], closing["text"], closing["words"]) == (True, "", [])
    assert closing["start"] == closing["end"] == 0.83
    assert lines.write(Update(segment_end=True, final=True), 3.0) == ""


def test_a_change_of_the_tail_alone_says_nothing():
    assert JsonLines().write(Update(tentative=AND_SO), 1.0) == ""


def test_the_alarm_that_no_words_come_has_a_line_of_its_own():
    lines = JsonLines()
    alarm = json.loads(lines.write(Update(deaf=True), 31.0))
    assert (alarm["deaf"], alarm["text"], alarm["is_final"]) == (True, "", False)
    assert lines.write(Update(deaf=True), 32.0) == ""
    assert "deaf" not in lines.write(Update(committed=AND_SO), 33.0)
    assert TextLines().write(Update(deaf=True), 31.0) == ""


def test_chinese_is_written_as_it_is():
    assert "你好" in JsonLines().write(Update(committed=(Word("你好", 0, 160),)), 1.0)


@pytest.mark.parametrize(
    ("text", "expected"), [(" And so,", "330 830  And so,\n"), (" And\r\nso", "330 830  And  so\n")]
)
def test_a_text_line_is_one_line(text, expected):
    assert TextLines().write(Update(committed=(Word(text, 5_280, 13_280),)), 1.0) == expected


def test_text_lines_say_nothing_about_segments():
    lines = TextLines()
    lines.write(Update(committed=AND_SO), 1.0)
    assert lines.write(Update(segment_end=True), 1.0) == ""


def test_errors_have_a_line_of_their_own():
    error = SessionError("server_full", "all 4 sessions are taken")
    assert json.loads(JsonLines().error(error)) == {
        "error": {"code": "server_full", "message": "all 4 sessions are taken"}
    }
    assert TextLines().error(error) == "# server_full: all 4 sessions are taken\n"
