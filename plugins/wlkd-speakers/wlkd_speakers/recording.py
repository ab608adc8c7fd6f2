"""The speakers of a whole recording, decided when all of it is known.

First the live rule goes through it, only to find the voices. Voices that turn out to be alike are joined, those that
said next to nothing are dropped, and with the voices of the end every cell is decided once more.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def speakers_of(cells: Sequence[Cell], most: int) -> list[Decision]:
    """The speaker of each of `cells`, numbered by first words; None of a cell where there are no voices at all."""
    tracker = Tracker(most + most)
    found = [decision for cell in cells for decision in tracker.add(cell)] + tracker.settle()
    labels = {decision.index: decision.speaker for decision in found}
    voices: list[Vector] = []
    for _ in range(ROUNDS):
        voices = _joined(_means(cells, labels), most)
        if not voices:
            return found
        decisions = _decide(cells, voices)
        labels = {decision.index: decision.speaker for decision in decisions}
    return _by_first_words(decisions)


def _decide(cells: Sequence[Cell], voices: Sequence[Vector]) -> list[Decision]:
    """Each cell's place in `voices`; one without a voice goes with the cell before it, at the beginning after it."""
    heard = [cell for cell in cells if cell.voice is not None]
    likeness = np.array([cell.voice for cell in heard], dtype=np.float64) @ np.array(voices, dtype=np.float64).T
    path = dict(zip((cell.index for cell in heard), best_path(heard, likeness), strict=True))
    sure = {cell.index: confidence(row, path[cell.index]) for cell, row in zip(heard, likeness.tolist(), strict=True)}
    decisions: list[Decision] = []
    speaker = path[heard[0].index]
    for cell in cells:
        speaker = path.get(cell.index, speaker)
        decisions.append(Decision(cell.index, speaker, sure.get(cell.index, 0.5)))
    return decisions


def _means(cells: Sequence[Cell], labels: dict[int, int | None]) -> list[tuple[int, Vector]]:
    """Each speaker's number of cells and mean voice."""
    pieces: dict[int, list[Vector]] = {}
    for cell in cells:
        speaker = labels.get(cell.index)
        if speaker is not None and cell.voice is not None:
            pieces.setdefault(speaker, []).append(cell.voice)
    return [(len(vectors), mean(vectors)) for vectors in pieces.values()]


def _joined(voices: list[tuple[int, Vector]], most: int) -> list[Vector]:
    """`voices`, those that are alike as one and the smallest left out; at most `most` of them."""
    while len(voices) > 1:
        likeness = np.array([[float(one @ other) for _, other in voices] for _, one in voices])
        np.fill_diagonal(likeness, -1.0)
        first, second = sorted(int(place) for place in np.unravel_index(likeness.argmax(), likeness.shape))
        if likeness[first, second] < JOIN:
            break
        (count, one), (number, other) = voices[first], voices.pop(second)
        total = count * one + number * other
        voices[first] = (count + number, np.asarray(total / np.linalg.norm(total), np.float32))
    by_size = sorted(voices, key=lambda voice: -voice[0])
    kept = [voice for voice in by_size[:most] if voice[0] >= LEAST_CELLS] or by_size[:1]
    return [vector for _, vector in kept]


def _by_first_words(decisions: list[Decision]) -> list[Decision]:
    numbers: dict[int | None, int] = {}
    for decision in decisions:
        if decision.speaker is not None:
            numbers.setdefault(decision.speaker, len(numbers) + 1)
    return [Decision(one.index, numbers.get(one.speaker), one.confidence) for one in decisions]
