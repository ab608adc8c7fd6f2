"""When people of an organisation come, and how long they stay: an assumption, written down."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

HOUR = 3600.0
BUSY = {8: 0.2, 9: 0.6, 10: 1.0, 11: 0.9, 12: 0.3, 13: 0.5, 14: 0.9, 15: 0.85, 16: 0.6, 17: 0.2}
"""How many meetings begin in each hour of the day, relative to the busiest."""
IN_MEETINGS = 0.8
"""Share of all streams; the others are dictations and calls, which begin at any time of the hour."""
JOIN_SPREAD_SECONDS = 90.0
CALL_SECONDS = 1200.0
SAMPLE = 200_000


def sessions(people: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rows of begin and duration in seconds, by begin; at the busiest moment about `people` are there at once."""
    return _draw(int(rng.poisson(people / _busiest_share())), rng)


def _draw(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    weights = np.array(list(BUSY.values()))
    hour = rng.choice(np.array(list(BUSY)), size=count, p=weights / weights.sum()).astype(np.float64)
    meets = rng.random(count) < IN_MEETINGS
    # Two of three meetings begin at the full hour.
    half = np.where(rng.random(count) < 2 / 3, 0.0, 0.5)
    begin = np.where(
        meets,
        (hour + half) * HOUR + rng.normal(0, JOIN_SPREAD_SECONDS, count),
        (hour + rng.random(count)) * HOUR,
    )
    planned = np.where(rng.random(count) < 0.5, HOUR / 2, HOUR)
    duration = np.where(meets, planned * rng.uniform(0.8, 1.05, count), rng.exponential(CALL_SECONDS, count))
    order = np.argsort(begin)
    return np.column_stack((begin[order], np.maximum(duration[order], 5.0)))


@cache
def _busiest_share() -> float:
    """People at once at the busiest moment, as a share of all sessions of the day."""
    return at_once(_draw(SAMPLE, np.random.default_rng(0))) / SAMPLE


def at_once(day: NDArray[np.float64]) -> int:
    """Most people at the same time."""
    return int(np.cumsum(_changes(day)[1]).max())


def busiest_moment(day: NDArray[np.float64]) -> float:
    times, changes = _changes(day)
    return float(times[np.argmax(np.cumsum(changes))])


def _changes(day: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times = np.concatenate((day[:, 0], day.sum(axis=1)))
    changes = np.concatenate((np.ones(len(day)), -np.ones(len(day))))
    order = np.argsort(times)
    return times[order], changes[order]
