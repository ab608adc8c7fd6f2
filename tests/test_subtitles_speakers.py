"""Files of a transcript whose speakers are told apart."""

from __future__ import annotations

import json

from wlkd.contract.types import UNKNOWN_SPEAKER, Line, Word
from wlkd.transports.subtitles import ROW_COLUMNS, as_json, as_srt, as_text, as_vtt

LINES = [
    Line(0, 16_000, (Word(" Good morning.", 0, 16_000, 0.9, 1, 0.8),), "en"),
    Line(16_000, 32_000, (Word(" <Morning>.", 16_000, 32_000, 0.9, 2, 0.8),), "en"),
    Line(32_000, 48_000, (Word(" Hm.", 32_000, 48_000, 0.9, UNKNOWN_SPEAKER),), "en"),
]
SAID = "Everybody who was there last week has seen it, and nobody can say why it was on."
"""Fits in two rows."""


def test_every_format_says_who_speaks() -> None:
    assert as_text(LINES, "x") == "Speaker 1: Good morning.\nSpeaker 2: <Morning>.\nSpeaker ?: Hm.\n"
    assert "\nSpeaker 1: Good morning.\n" in as_srt(LINES, "x")
    assert "\n<v Speaker 2>&lt;Morning&gt;.\n" in as_vtt(LINES, "x")
    lines = json.loads(as_json(LINES, "x"))["lines"]
    assert [(line["speaker"], line["words"][0]["speaker"]) for line in lines] == [(1, 1), (2, 2), (-1, -1)]


def test_a_name_takes_room_in_srt_and_none_in_vtt_where_players_do_not_show_it() -> None:
    words = tuple(Word(f" {text}", at * 4000, at * 4000 + 4000, 0.9, 1) for at, text in enumerate(SAID.split()))
    lines = [Line(0, words[-1].end, words, "en")]
    srt, vtt = as_srt(lines, "x", {1: "Dr. Ann Smith"}), as_vtt(lines, "x", {1: "Dr. Ann Smith"})
    assert max(map(len, srt.splitlines())) <= ROW_COLUMNS
    assert (srt.count("-->"), vtt.count("-->")) == (2, 1)


def test_json_says_over_whom_a_word_is_spoken() -> None:
    words = (Word(" Good", 0, 8_000, 0.9, 2, 0.8, also_speaker=1), Word(" morning.", 8_000, 16_000, 0.9, 2, 0.8))
    [line] = json.loads(as_json([Line(0, 16_000, words, "en")], "x"))["lines"]
    assert [word.get("also_speaker") for word in line["words"]] == [1, None]
    assert "also_speaker" not in line["words"][1]


def test_where_nobody_is_told_apart_nothing_is_said() -> None:
    line = Line(0, 16_000, (Word(" Good morning.", 0, 16_000, 0.9),), "en")
    assert as_text([line], "x") == "Good morning.\n" and "<v" not in as_vtt([line], "x")
    assert "speaker" not in as_json([line], "x")
