"""Where frames belong by presentation time."""

from __future__ import annotations

import random

import pytest
from wlkd_av.clock import Clock

from wlkd import SAMPLE_RATE

FRAME = 0.02


def gaps(times: list[float], begin: float = 0.0) -> float:
    """Seconds that are left out in all, by frames of 20 ms at `times`."""
    clock = Clock(begin)
    missing = 0
    for at in times:
        missing += clock.gap(at)
        clock.heard(FRAME)
    return missing / SAMPLE_RATE


def steady(count: int, begin: float = 0.0) -> list[float]:
    return [begin + n * FRAME for n in range(count)]


@pytest.mark.parametrize("hole", [0.5, 10.0, 1800.0])
def test_a_hole_keeps_its_length(hole: float) -> None:
    assert gaps(steady(100) + steady(100, 2.0 + hole)) == pytest.approx(hole, abs=0.001)


def test_a_late_start_keeps_its_length() -> None:
    assert gaps(steady(100, 5.0)) == pytest.approx(5.0)


def test_a_slightly_late_start_is_no_hole_behind_it() -> None:
    clock, told = Clock(0.0), []
    for at in steady(100, 0.2):
        told.append(clock.gap(at))
        clock.heard(FRAME)
    assert told == [SAMPLE_RATE // 5, *[0] * 99]


@pytest.mark.parametrize("reach", [0.1, 0.2])
def test_jitter_does_not_add_up(reach: float) -> None:
    noise = random.Random(1)
    times = [at + noise.uniform(-reach, reach) for at in steady(50 * 300)]
    assert gaps(times) <= reach


def test_bursts_do_not_add_up() -> None:
    """Ten frames at once carry the time of the last, as browsers did it."""
    assert gaps([at - at % 0.2 + 0.19 for at in steady(50 * 300)]) <= 0.2


@pytest.mark.parametrize("jump", [3 * 3600.0, 3600.0, -5.0, -100.0])
def test_a_clock_that_was_set_is_no_silence(jump: float) -> None:
    assert gaps(steady(6000) + steady(100, 120.0 + jump)) == 0


def test_small_holes_are_made_up_for() -> None:
    """Packets lost by a network: 60 ms each, a hundred times."""
    times = [at + 0.06 * (n // 50) for n, at in enumerate(steady(5000))]
    assert gaps(times) == pytest.approx(0.06 * 99, abs=0.35)


def test_frames_without_a_time_follow_on() -> None:
    clock = Clock(0.0)
    clock.heard(FRAME)
    assert clock.gap(None) == 0
