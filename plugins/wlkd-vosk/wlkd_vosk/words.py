"""What Vosk says about words, as wlkd's words: on the session's clock, and only what was spoken."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from wlkd import SAMPLE_RATE, Frame, Word
from wlkd.contract.text import UNSPACED_LANGUAGES

NOISE = ("[", "<")
"""How tokens begin that stand for what is not a word: `[unk]`, `<eps>`, Korean models' `[3]`."""


class Clock:
    """From Vosk's time, which counts what it was given, to the session's, in which silence passes too."""

    def __init__(self) -> None:
        self._given = 0
        self._at: list[int] = []
        self._start: list[int] = []

    def give(self, frame: Frame) -> None:
        """The next audio."""
        joins = self._at and self._start[-1] + self._given - self._at[-1] == frame.start
        if not joins:
            self._at.append(self._given)
            self._start.append(frame.start)
        self._given += len(frame.samples)

    def forget(self) -> None:
        """What was given so far is not asked for any more."""
        self._at, self._start = self._at[-1:], self._start[-1:]

    def session_time(self, seconds: float, *, end: bool = False) -> int:
        """The sample index at Vosk's `seconds`; `end`: of what ends there, before a gap rather than behind it."""
        position = min(max(round(seconds * SAMPLE_RATE), 0), self._given)
        place = max(bisect_right(self._at, position - end) - 1, 0)
        return self._start[place] + position - self._at[place]


def words_in(told: str, key: str, clock: Clock, language: str) -> list[Word]:
    """The words of a result (`key` is `result`) or a partial one (`partial_result`)."""
    space = "" if language in UNSPACED_LANGUAGES else " "
    said: Sequence[Mapping[str, Any]] = json.loads(told).get(key, ())
    return [
        Word(
            space + one["word"],
            clock.session_time(one["start"]),
            clock.session_time(one["end"], end=True),
            round(min(one["conf"], 1.0), 3),
        )
        for one in said
        if not one["word"].startswith(NOISE)
    ]
