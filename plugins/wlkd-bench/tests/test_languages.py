"""Recordings that change language."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from wlkd_bench.clips import Clip
from wlkd_bench.languages import LONGEST_SECONDS, SHORTEST_SECONDS, errors_of, turns


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
