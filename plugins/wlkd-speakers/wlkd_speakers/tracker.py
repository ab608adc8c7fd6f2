"""Decides who speaks in each cell, in order, once and for good.

A cell is decided when `AHEAD` further cells are known; one that may begin a new voice waits up to `HOLD` cells more,
for the mean of several cells tells new voices from known ones far better than a single cell does. Nothing that was
decided is looked at again, except as what was said last.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wlkd_speakers.cells import Cell
from wlkd_speakers.path import NEW, likely_speakers
from wlkd_speakers.voices import Vector, Voices, mean

AHEAD = 1
"""Cells seen beyond the one that is decided: half a second. More is not better."""
HOLD = 4
"""Further cells to wait for while a voice may be new: 2 s. Not longer: the transcript must go on."""
ENOUGH = 4
"""Cells of one voice that make it a new one: 2 s of speech. The first speaker needs `ENOUGH_FIRST`."""
ENOUGH_FIRST = 2
ALIKE = 0.50
"""Cells of a new voice are so similar to one another."""
KNOWN = 0.40
"""The mean of several cells so similar to a known voice is that voice."""
LEARNT_SECONDS = 0.9
"""Speech from which a cell teaches a voice."""
STAYS = 0.05
"""An undecided cell goes to the present speaker, if the similarity is at most this much lower."""
FIRST = 1
"""Number of the first voice of a session."""
REMEMBERED = 6
"""Cells back to which a speaker counts as having spoken last."""
STEEPNESS = 12.0
"""Scale of the confidence: turns the lead over the next best voice, in similarity, into a probability."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who speaks in a cell; None: nobody can say."""

    index: int
    speaker: int | None
    confidence: float = 1.0
    """0 to 1."""


class Tracker:
    """Of one stream. Feed it cells in order."""

    def __init__(self, most_voices: int, memory: Mapping[str, str] = {}) -> None:
        """`memory`: the voices of the stream that this one goes on."""
        self.voices = Voices(most_voices, memory)
        self._waiting: deque[Cell] = deque()
        """Not decided."""
        self._last: int | None = None
        """Who spoke last, however long ago."""
        self._last_index = 0
        self._path: Mapping[int, int] = {}
        """The likely speakers of the cells that waited when the last one was decided."""

    @property
    def following(self) -> int | None:
        """Who is likely to speak in the first cell that is not decided; None: nobody knows yet."""
        speaker = self._path.get(self._waiting[0].index, NEW) if self._waiting else NEW
        return None if speaker == NEW else speaker

    @property
    def waiting(self) -> int:
        """Cells that are not decided."""
        return len(self._waiting)

    def add(self, cell: Cell) -> list[Decision]:
        """The next cell; returns what it settles."""
        self._waiting.append(cell)
        return self._decide(final=False)

    def settle(self) -> list[Decision]:
        """Decide everything now: a transcript does not wait for what may come later."""
        return self._decide(final=True)

    def _decide(self, *, final: bool) -> list[Decision]:
        decisions: list[Decision] = []
        while self._waiting:
            cell = self._waiting[0]
            ahead = len(self._waiting) - 1
            if not final and ahead < AHEAD:
                break
            patient = not final and ahead < AHEAD + HOLD
            speaker = self._speaker(cell, patient=patient)
            if speaker is None and patient:
                break
            decisions.append(self._settle(speaker))
        return decisions

    def _speaker(self, cell: Cell, *, patient: bool) -> int | None:
        """Of the first cell that waits. None: nobody can say. `patient`: None also where more cells may help."""
        cells = list(self._waiting)[: AHEAD + HOLD + 1]
        path = self._path = likely_speakers(cells, self.voices, self._before())
        likely = path.get(cell.index)
        if likely is None:
            # Too little was heard of it: it goes with what follows, or with what was before.
            following = path[min(path)] if path else NEW
            return following if following != NEW else self._last
        if likely != NEW:
            return likely
        return self._newcomer(cell, path, patient=patient)

    def _newcomer(self, cell: Cell, path: dict[int, int], *, patient: bool) -> int | None:
        """`cell` is unlike every voice: open one, know it again by several cells, or give it to the nearest."""
        run = self._run_of_new(path)
        group = _group(run)
        best, similarity = self._nearest(mean(group))
        enough = len(group) >= (ENOUGH if len(self.voices) else ENOUGH_FIRST)
        if enough and best is not None and similarity >= KNOWN:
            return best
        if enough and not self.voices.full:
            return self.voices.open(group[:ENOUGH])
        # Somebody else speaks after it, or nobody: it will not become longer.
        over = len(run) < len(path) or self._waiting[-1].index - cell.index >= len(self._waiting)
        if patient and not over:
            return None
        assert cell.voice is not None
        similarities = self.voices.similarities(cell.voice)
        if not similarities:
            return self.voices.open([cell.voice])
        if not cell.pause and self._last is not None:
            similarities[self._last] += STAYS
        return max(similarities, key=similarities.__getitem__)

    def _run_of_new(self, path: dict[int, int]) -> list[Vector]:
        """The voices of the cells from the first on that may all be of one new speaker."""
        run: list[Vector] = []
        for place, cell in enumerate(self._waiting, start=self._waiting[0].index):
            if cell.index != place:
                break
            if cell.index in path:
                if path[cell.index] != NEW:
                    break
                assert cell.voice is not None
                run.append(cell.voice)
        return run

    def _nearest(self, vector: Vector) -> tuple[int | None, float]:
        similarities = self.voices.similarities(vector)
        best = max(similarities, key=similarities.__getitem__, default=None)
        return best, 0.0 if best is None else similarities[best]

    def _before(self) -> int | None:
        """Who spoke last, if that is not long ago."""
        return self._last if self._waiting[0].index - self._last_index <= REMEMBERED else None

    def _settle(self, speaker: int | None) -> Decision:
        cell = self._waiting.popleft()
        cell.speaker = speaker
        if speaker is None:
            # Whoever it is: nobody spoke before, and the first voice that is heard well will have this number.
            return Decision(cell.index, None if self.voices.numbers else FIRST, 0.5)
        self._last, self._last_index = speaker, cell.index
        confidence = self._confidence(cell, speaker)
        if cell.voice is not None and cell.seconds >= LEARNT_SECONDS:
            self.voices.learn(speaker, cell.voice)
        return Decision(cell.index, speaker, confidence)

    def _confidence(self, cell: Cell, speaker: int) -> float:
        if cell.voice is None:
            return 0.5
        return confidence(list(self.voices.similarities(cell.voice).values()), self.voices.numbers.index(speaker))


def confidence(similarities: Sequence[float], chosen: int) -> float:
    """How sure it is that the voice is the one at `chosen`, by its lead over the next best; 0 to 1."""
    rival = max((value for place, value in enumerate(similarities) if place != chosen), default=0.0)
    return 1 / (1 + math.exp(-STEEPNESS * (similarities[chosen] - rival)))


def _group(run: list[Vector]) -> list[Vector]:
    """The first of `run`, and those that are like it."""
    group = run[:1]
    for vector in run[1:]:
        if vector @ mean(group) > ALIKE:
            group.append(vector)
    return group
