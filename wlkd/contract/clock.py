"""From the time of an engine that counts the audio it was given, to the session's, in which silence passes too."""

from __future__ import annotations

from bisect import bisect_right

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Frame


class SpeechClock:
    """Of one stream."""

    def __init__(self) -> None:
        self._given = 0
        self._at: list[int] = []
        self._start: list[int] = []

    def give(self, frame: Frame) -> None:
        """The next audio that the engine gets."""
        joins = self._at and self._start[-1] + self._given - self._at[-1] == frame.start
        if not joins:
            self._at.append(self._given)
            self._start.append(frame.start)
        self._given += len(frame.samples)

    def forget(self) -> None:
        """What was given so far is not asked for any more."""
        self._at, self._start = self._at[-1:], self._start[-1:]

    def session_time(self, seconds: float, *, end: bool = False) -> int:
        """The sample index at the engine's `seconds`; `end`: of what ends there, before a gap rather than behind it."""
        position = min(max(round(seconds * SAMPLE_RATE), 0), self._given)
        place = max(bisect_right(self._at, position - end) - 1, 0)
        return self._start[place] + position - self._at[place]
