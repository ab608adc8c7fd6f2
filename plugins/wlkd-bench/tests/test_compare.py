"""python -m wlkd_bench.compare: two runs on the same clips."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jiwer")


def clip(name: str, errors: int | None, said: str = "", of: str = "mine", unit: str = "word") -> dict[str, Any]:
    edits = {"units": 20, "substitutions": errors, "deletions": 0, "insertions": 0}
    return {
        "set": of,
        "id": name,
        "unit": unit,
        "reference": "twenty words",
        "hypothesis": said,
        "errors": None if errors is None else edits,
    }


def compared(folder: Path, first: list[dict[str, Any]], second: list[dict[str, Any]], *options: str) -> tuple[int, str]:
    for name, clips in (("first.json", first), ("second.json", second)):
        (folder / name).write_text(json.dumps({"clips": clips}))
    command = [
        sys.executable,
        "-m",
        "wlkd_bench.compare",
        str(folder / "first.json"),
        str(folder / "second.json"),
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_difference_on_every_clip_is_certain_however_much_the_clips_differ(tmp_path: Path) -> None:
    errors = [0, 10, 2, 18, 5, 1, 12, 3]
    status, told = compared(
        tmp_path,
        [clip(str(n), count + 1) for n, count in enumerate(errors)],
        [clip(str(n), count) for n, count in enumerate(errors)],
    )
    assert status == 0
    assert told.splitlines()[-1].split() == ["mine", "8", "160", "36.9", "31.9", "+5.0", "(+5.0", "to", "+5.0)"]


def test_one_clip_makes_no_difference(tmp_path: Path) -> None:
    status, told = compared(
        tmp_path,
        [clip("a", 9), *(clip(str(n), 1) for n in range(9))],
        [clip("a", 1), *(clip(str(n), 1) for n in range(9))],
    )
    assert status == 0
    assert "+4.0 (+0.0 to +12.0)" in told


def test_clips_that_were_streamed_again_and_again_make_no_difference_more_certain(tmp_path: Path) -> None:
    first = [clip("a", 9), *(clip(str(n), 1) for n in range(9))]
    second = [clip(str(n), 1) for n in (*range(9), "a")]
    status, told = compared(tmp_path, first * 20, second * 20)
    assert status == 0
    assert told.splitlines()[-1].split(maxsplit=5) == ["mine", "10", "4000", "9.0", "5.0", "+4.0 (+0.0 to +12.0)"]
    status, told = compared(tmp_path, [clip("a", 9)] * 20, [clip("a", 1)] * 20)
    assert status == 0
    assert "+40.0 (one clip)" in told


def test_only_clips_that_both_runs_have_and_could_score_count(tmp_path: Path) -> None:
    status, told = compared(
        tmp_path,
        [clip("a", 2, "heard"), clip("a", 4), clip("b", None), clip("c", 1)],
        [clip("b", 1), clip("a", 1, "misheard"), clip("d", 1)],
        "--verbose",
    )
    assert status == 0
    assert told.splitlines()[2].split()[:5] == ["mine", "1", "20", "10.0", "5.0"]
    assert "misheard" in told
    assert "+5.0 (one clip)" in told
    status, told = compared(tmp_path, [clip("a", 1)], [clip("b", 1)])
    assert (status, told) == (2, "the two runs have no clip of speech in common\n")


def test_words_and_characters_are_not_added_up(tmp_path: Path) -> None:
    sets = [("one", "word"), ("two", "word"), ("three", "character")]
    status, told = compared(
        tmp_path,
        [clip("a", 4, of=name, unit=unit) for name, unit in sets],
        [clip("a", count, of=name, unit=unit) for count, (name, unit) in enumerate(sets)],
    )
    assert status == 0
    *rows, overall = [line.split()[:6] for line in told.splitlines()[2:]]
    assert [row[0] for row in rows] == ["one", "two", "three"]
    assert overall == ["all,", "words", "2", "40", "20.0", "2.5"]
