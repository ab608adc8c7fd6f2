"""Recordings that change language."""

from __future__ import annotations

import argparse
import itertools
import json
import random
from pathlib import Path

import pytest
from wlkd_bench.clips import Clip
from wlkd_bench.languages import (
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    Stretch,
    errors_of,
    in_pieces,
    score,
    tally,
    turns,
)


def test_turns_keep_the_order_of_the_clips_and_are_as_long_as_people_speak() -> None:
    clips = [Clip("set", f"{number}", Path("x"), 4.0, "en", "text") for number in range(7)]
    found = list(itertools.islice(turns(clips, random.Random(1)), 20))
    assert [clip.id for turn in found for clip in turn][:9] == ["0", "1", "2", "3", "4", "5", "6", "0", "1"]
    lengths = [sum(clip.seconds for clip in turn) for turn in found]
    assert all(SHORTEST_SECONDS - 2 <= length <= LONGEST_SECONDS + 2 for length in lengths)
    assert len(set(lengths)) > 2


def test_chinese_is_compared_in_one_script() -> None:
    assert errors_of([{"text": "為"}, {"text": "什"}, {"text": "麼"}], "zh", "为什么").total == 0
    assert errors_of([{"text": " the"}, {"text": " hat"}], "en", "THE CAT").total == 1


def test_recordings_of_one_language_hold_each_clip_once() -> None:
    clips = [Clip("set", f"{number}", Path("x"), 4.0, "en", "text") for number in range(7)]
    pieces = list(in_pieces(clips, 10.0, random.Random(1)))
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert sorted(clip.id for piece in pieces for [clip] in piece) == [clip.id for clip in clips]


def test_a_run_of_words_in_a_wrong_language_is_one_false_switch() -> None:
    stretches = [Stretch(0.0, 4.0, "en", "a b c d", ("1",)), Stretch(4.0, 6.0, "zh", "好 好", ("2",))]
    languages = ["cy", "en", "cy", "cy", "cy", "zh"]
    heard = [
        {"text": f" {text}", "start": float(at), "end": at + 0.5, "language": language}
        for at, (text, language) in enumerate(zip("abcd好好", languages, strict=True))
    ]
    found = tally(stretches, heard, {}, tell=False)
    assert (found.seconds, found.stretches, found.right, found.false_switches) == (6.0, 2, 0, 2)
    alone = tally(stretches[:1], heard[:4], {"1": [{"text": "a b c"}]}, tell=False)
    assert (alone.edits, alone.edits_alone, alone.units) == (0, 1, 4)


def test_what_simulate_wrote_is_scored_by_stretches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stretch = {"start": 0.0, "end": 2.0, "language": "en", "text": "one two", "clips": ["a"]}
    manifest, run, alone = (tmp_path / name for name in ("made.jsonl", "run.json", "alone.json"))
    manifest.write_text(json.dumps({"id": "made", "stretches": [stretch]}) + "\n")
    words = [{"text": " one", "start": 0.1, "end": 0.5, "language": "en"}]
    run.write_text(json.dumps({"words": {"made": words}}))
    alone.write_text(json.dumps({"words": {"a": [*words, {**words[0], "text": " two"}]}}))
    score(argparse.Namespace(manifest=manifest, results=[run], alone=[alone], verbose=False))
    assert capsys.readouterr().out.startswith("made: ")
