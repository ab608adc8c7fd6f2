"""The rule that decides live, and the one for recordings, on voices without sound."""

from __future__ import annotations

import json

import numpy as np
import pytest
from wlkd_speakers.cells import Cell
from wlkd_speakers.recording import speakers_of
from wlkd_speakers.tracker import AHEAD, HOLD, Tracker
from wlkd_speakers.voices import Vector

ALIKE = 0.55
"""Similarity of two pieces of one person, as measured on real speech; of two people it is about 0."""


class People:
    """Directions in space, one for each person, with noise as strong as CAM++'s."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._faces = [self._direction() for _ in range(count)]

    def says(self, person: int) -> Vector:
        return _unit(np.sqrt(ALIKE) * self._faces[person] + np.sqrt(1 - ALIKE) * self._direction())

    def cells(self, *spoken: tuple[int, int], start: int = 0) -> list[Cell]:
        """Cells of (person, how many) one after the other without a pause; neighbours share most of their sound."""
        cells: list[Cell] = []
        for person, count in spoken:
            own = [self.says(person) for _ in range(count + 2)]
            for place in range(count):
                cells.append(Cell(start + len(cells), _unit(np.sum(own[place : place + 3], axis=0)), speech=24_000))
        return cells

    def _direction(self) -> Vector:
        return _unit(self._random.normal(size=192))


def _unit(vector: np.ndarray) -> Vector:  # type: ignore[type-arg]
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def told(tracker: Tracker, cells: list[Cell]) -> list[int | None]:
    decisions = [decision for cell in cells for decision in tracker.add(cell)] + tracker.settle()
    assert [decision.index for decision in decisions] == [cell.index for cell in cells]
    assert all(0 <= decision.confidence <= 1 for decision in decisions)
    return [decision.speaker for decision in decisions]


def test_people_are_told_apart_and_known_again() -> None:
    cells = People(3).cells((0, 10), (1, 10), (0, 6), (2, 10), (1, 6))
    assert told(Tracker(8), cells) == [1] * 10 + [2] * 10 + [1] * 6 + [3] * 10 + [2] * 6


def test_somebody_who_comes_back_after_an_hour_has_his_number() -> None:
    people, tracker = People(2), Tracker(8)
    assert set(told(tracker, people.cells((0, 10)))) == {1}
    assert set(told(tracker, people.cells((1, 1200), start=10))) == {2}
    assert told(tracker, people.cells((0, 8), start=9000)) == [1] * 8


def test_a_stream_that_goes_on_elsewhere_knows_the_same_people() -> None:
    people, tracker = People(2), Tracker(8)
    told(tracker, people.cells((0, 10), (1, 10)))
    memory = json.loads(json.dumps(tracker.voices.memory))
    assert len(json.dumps(memory)) < 1000
    assert told(Tracker(8, memory), people.cells((1, 8), (0, 8))) == [2] * 8 + [1] * 8


def test_one_person_is_one_person_for_ten_minutes() -> None:
    assert set(told(Tracker(8), People(1).cells((0, 1200)))) == {1}


def test_a_first_word_too_short_to_know_a_voice_by_is_the_first_speaker_s() -> None:
    people, tracker = People(1), Tracker(8)
    [word] = people.cells((0, 1))
    word.voice = None
    assert told(tracker, [word]) == [1]
    assert told(tracker, people.cells((0, 8), start=10)) == [1] * 8


def test_no_cell_waits_longer_than_the_rule_says() -> None:
    tracker = Tracker(8)
    for cell in People(4, seed=3).cells(*[(place % 4, 3) for place in range(60)]):
        tracker.add(cell)
        assert tracker.waiting <= AHEAD + HOLD + 1


def test_no_more_voices_are_opened_than_are_wished_for() -> None:
    cells = People(4).cells(*[(person, 12) for person in range(4)])
    assert set(told(Tracker(2), cells)) == {1, 2}
    assert {decision.speaker for decision in speakers_of(cells, 2)} == {1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_a_recording_is_told_as_a_whole(seed: int) -> None:
    cells = People(3, seed).cells((0, 3), (1, 8), (0, 8), (2, 8), (1, 4), (2, 2))
    speakers = [decision.speaker for decision in speakers_of(cells, 8)]
    assert speakers == [1] * 3 + [2] * 8 + [1] * 8 + [3] * 8 + [2] * 4 + [3] * 2


def test_a_recording_too_short_to_know_a_voice_by_has_one_speaker() -> None:
    assert speakers_of([], 8) == []
    silent = People(1).cells((0, 2))
    for cell in silent:
        cell.voice = None
    assert [decision.speaker for decision in speakers_of(silent, 8)] == [1, 1]
