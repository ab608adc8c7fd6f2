"""Where frames belong by presentation time, as the gaps between them."""

from __future__ import annotations

from collections import deque

from wlkd import SAMPLE_RATE

STEP_SECONDS = 0.3
"""A frame that is late by more begins behind a gap. Browsers' timestamps wander by 0.1 to 0.2 s, and come back."""
LASTING_SECONDS = 0.08
"""A smaller lateness counts as well, once all frames of a second have it."""
LASTING_OVER_SECONDS = 1.0
JUMP_SECONDS = 3600.0
"""A frame that is later by more follows on: a recorder's clock was set, and nobody recorded an hour of silence."""
BACK_SECONDS = 1.0
"""A frame that is earlier by more follows on too. One that is earlier by less belongs to a clock that wanders."""


class Clock:
    """Times of one container, in its seconds.

    Samples are counted, and the count is held against the timestamps: not the steps between timestamps, whose errors
    would add up.
    """

    def __init__(self, begin: float) -> None:
        """`begin`: the container's time that stands where this container begins in the session."""
        self._begin = self._next = begin
        """When the next frame is due, if nothing is missing."""
        self._late: deque[tuple[float, float]] = deque()
        """Recent frames: when they were due, and by how much they were late."""
        self._begun = False
        """A frame was heard."""

    def gap(self, at: float | None, *, damaged: bool = False) -> int:
        """Samples that are missing before the frame of time `at`; None: it does not say when.

        `damaged`: something that could not be decoded lies before it.
        """
        if at is None:
            return 0
        late = at - self._next
        if not -BACK_SECONDS <= late < JUMP_SECONDS:
            self._next = at
            self._late.clear()
            return 0
        # A film's sound may begin a little behind its picture: told later, that would be a hole in the first word.
        if late <= (LASTING_SECONDS if damaged or not self._begun else STEP_SECONDS):
            late = self._lasting(late)
        if late <= 0:
            return 0
        self._next += late
        self._late.clear()
        return round(late * SAMPLE_RATE)

    @property
    def passed(self) -> float:
        """Seconds so far, with the gaps."""
        return self._next - self._begin

    def heard(self, seconds: float) -> None:
        """A frame of `seconds` follows."""
        self._begun = True
        self._next += seconds

    def _lasting(self, late: float) -> float:
        """By how much all frames of the last second were late; 0: not worth a gap."""
        if late <= LASTING_SECONDS:
            self._late.clear()
            return 0.0
        self._late.append((self._next, late))
        if self._next - self._late[0][0] < LASTING_OVER_SECONDS:
            return 0.0
        return min(late for _, late in self._late)
