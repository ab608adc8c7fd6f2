"""The speakers of a whole recording, decided when all of it is known.

First the live rule goes through it, only to find the voices. Voices that turn out to be alike are joined, those that
said next to nothing are dropped, and with the voices of the end every cell is decided once more. People who are known
beforehand keep their voice and their number, whether they speak or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wlkd_speakers.cells import Cell
from wlkd_speakers.path import best_path
from wlkd_speakers.tracker import Decision, Tracker, confidence
from wlkd_speakers.voices import Vector, mean

JOIN = 0.60
"""The means of two voices so similar are those of one person."""
LEAST_CELLS = 3
"""Cells below which a voice was a mistake: 1.5 s."""
ROUNDS = 3
"""Times that the voices are made of the cells given to them; they hardly move after the second."""


@dataclass(frozen=True, slots=True)
class _Voice:
    """One that may be somebody's."""

    pieces: tuple[Vector, ...]
    """What it is the mean of."""
    known: bool
    mean: Vector

    @classmethod
    def of(cls, pieces: Sequence[Vector], *, known: bool) -> _Voice:
        return cls(tuple(pieces), known, mean(list(pieces)))


def speakers_of(cells: Sequence[Cell], most: int, known: Sequence[Sequence[Vector]] = ()) -> list[Decision]:
    """The speaker of each of `cells`.

    `known`: voices of people who are known, numbered from 1. Others follow, in the order of their first words."""
    tracker = Tracker(most + most)
    for pieces in known:
        tracker.voices.open(list(pieces))
    found = [decision for cell in cells for decision in tracker.add(cell)] + tracker.settle()
    if not any(cell.voice is not None for cell in cells):
        return found
    labels = {decision.index: decision.speaker for decision in found}
    for _ in range(ROUNDS):
        decisions = _decide(cells, _joined(_voices(cells, labels, known), most))
        labels = {decision.index: decision.speaker for decision in decisions}
    return _by_first_words(decisions, len(known))


def _decide(cells: Sequence[Cell], voices: Sequence[Vector]) -> list[Decision]:
    """Each cell's place in `voices`, from 1; a cell without a voice goes with the one before it."""
    heard = [cell for cell in cells if cell.voice is not None]
    likeness = np.array([cell.voice for cell in heard], dtype=np.float64) @ np.array(voices, dtype=np.float64).T
    path = dict(zip((cell.index for cell in heard), best_path(heard, likeness), strict=True))
    sure = {cell.index: confidence(row, path[cell.index]) for cell, row in zip(heard, likeness.tolist(), strict=True)}
    decisions: list[Decision] = []
    speaker = path[heard[0].index]
    for cell in cells:
        speaker = path.get(cell.index, speaker)
        decisions.append(Decision(cell.index, speaker + 1, sure.get(cell.index, 0.5)))
    return decisions


def _voices(cells: Sequence[Cell], labels: Mapping[int, int | None], known: Sequence[Sequence[Vector]]) -> list[_Voice]:
    """The voice of each speaker in `labels`, and those of all who are known: their recordings, and what they say."""
    pieces: dict[int, list[Vector]] = {number: list(voice) for number, voice in enumerate(known, start=1)}
    for cell in cells:
        speaker = labels.get(cell.index)
        if speaker is not None and cell.voice is not None:
            pieces.setdefault(speaker, []).append(cell.voice)
    return [_Voice.of(vectors, known=number <= len(known)) for number, vectors in pieces.items()]


def _joined(voices: list[_Voice], most: int) -> list[Vector]:
    """At most `most` of `voices`: all that are known, then the largest. Those that are alike are one, the smallest are
    left out."""
    while len(voices) > 1:
        likeness = np.array([[_likeness(one, other) for other in voices] for one in voices])
        np.fill_diagonal(likeness, -1.0)
        first, second = sorted(int(place) for place in np.unravel_index(likeness.argmax(), likeness.shape))
        if likeness[first, second] < JOIN:
            break
        other = voices.pop(second)
        voices[first] = _Voice.of((*voices[first].pieces, *other.pieces), known=voices[first].known or other.known)
    known = [voice for voice in voices if voice.known]
    others = sorted((voice for voice in voices if not voice.known), key=lambda voice: -len(voice.pieces))
    kept = known + [voice for voice in others if len(voice.pieces) >= LEAST_CELLS]
    return [voice.mean for voice in (kept or others[:1])[:most]]


def _likeness(one: _Voice, other: _Voice) -> float:
    """Two who are known are two, however alike."""
    return -1.0 if one.known and other.known else float(one.mean @ other.mean)


def _by_first_words(decisions: list[Decision], known: int) -> list[Decision]:
    numbers: dict[int | None, int] = {number: number for number in range(1, known + 1)}
    for decision in decisions:
        if decision.speaker is not None:
            numbers.setdefault(decision.speaker, len(numbers) + 1)
    return [Decision(one.index, numbers.get(one.speaker), one.confidence) for one in decisions]
