"""The most likely speakers of a row of cells (Viterbi): the voices known so far, or a new one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wlkd_speakers.cells import Cell
from wlkd_speakers.voices import Voices

NEW = 0
"""Stands for a voice that is not known yet."""

UNLIKE, UNLIKE_SHORT = 0.42, 0.32
"""Below this similarity to every known voice it is a new one: of 1.5 s of speech, and of 0.5 s."""
CHANGE, CHANGE_AT_PAUSE, STAY_AT_PAUSE = 0.15, 0.03, 0.04
"""What it costs to change the speaker without a pause; at one; and to go on with the same after a pause."""


def likely_speakers(cells: Sequence[Cell], voices: Voices, before: int | None) -> dict[int, int]:
    """The speaker of each of `cells` that has a voice, by its index: a number, or `NEW`.

    `before`: who spoke last before them.
    """
    states = [*voices.numbers, NEW]
    heard = [cell for cell in cells if cell.voice is not None]
    if not heard:
        return {}
    likeness = np.array([[*voices.similarities(_voice(cell)).values(), _unlike(cell.seconds)] for cell in heard])
    path = best_path(heard, likeness, None if before is None else states.index(before))
    return {cell.index: states[state] for cell, state in zip(heard, path, strict=True)}


def best_path(cells: Sequence[Cell], likeness: NDArray[np.float64], before: int | None = None) -> list[int]:
    """The columns of `likeness`, shape (cells, speakers), that together are the likeliest, one for each of `cells`.

    `before`: the column before the first.
    """
    every = np.arange(likeness.shape[1])
    # What little speech says counts little.
    weights = np.minimum([cell.seconds for cell in cells], 1.0)
    score = np.zeros(len(every))
    came_from: list[NDArray[np.int64]] = []
    for place, (cell, weight) in enumerate(zip(cells, weights, strict=True)):
        change, stay = (CHANGE_AT_PAUSE, STAY_AT_PAUSE) if cell.pause else (CHANGE, 0.0)
        if place:
            # Of all changes only the one from the best state can be worth it.
            best = int(score.argmax())
            stays = score - stay >= score[best] - change
            came_from.append(np.where(stays, every, best))
            score = np.maximum(score - stay, score[best] - change)
        elif before is not None:
            score = score - np.where(every == before, stay, change)
        score = score + weight * likeness[place]
    state = int(score.argmax())
    path = [state]
    for origins in reversed(came_from):
        state = int(origins[state])
        path.append(state)
    return path[::-1]


def _voice(cell: Cell) -> NDArray[np.float32]:
    assert cell.voice is not None
    return cell.voice


def _unlike(seconds: float) -> float:
    """The similarity below which `seconds` of speech are taken for a new voice."""
    return UNLIKE_SHORT + (UNLIKE - UNLIKE_SHORT) * min(max(seconds - 0.5, 0.0), 1.0)
