"""Adds up scores: error rates with their uncertainty, percentiles of latencies, the run minute by minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wlkd_bench.score import ClipScore, Latency
from wlkd_bench.text import Unit

BOOTSTRAP_SAMPLES = 1000
BOOTSTRAP_SEED = 20_250_101
"""Fixed, so that the same scores give the same interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """An error rate in percent, and the 95 % interval from resampling the clips."""

    percent: float
    low: float
    high: float
    errors: int
    units: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles in seconds (numpy's linear interpolation)."""

    p50: float
    p95: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Many streams in one row. None: nothing to measure it on."""

    streams: int
    audio_seconds: float
    wer: Rate | None
    cer: Rate | None
    """Characters, for the languages that are counted so."""
    committed: Spread | None
    tentative: Spread | None
    first_word: Spread | None
    last_word: Spread | None
    stop: Spread | None
    revisions: int
    spurious_words: int
    failed: int
    refused: int
    late: float
    """The most by which any piece of audio left behind its time, seconds."""
    lag_growth: float | None
    """Slope of the lag that the server reports, in seconds per minute of the run."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the run, by the time at which words were spoken and updates arrived."""

    number: int
    committed: Spread | None
    lag_mean: float | None
    lag_max: float | None


def rate(scores: Iterable[ClipScore], unit: Unit) -> Rate | None:
    """Pooled over the streams counted in `unit`: all errors over all units, not the mean of the streams' rates."""
    counted = [(score.clip, score.errors) for score in scores if score.unit == unit and score.errors is not None]
    totals = np.array([errors.total for _, errors in counted], dtype=np.int64)
    sizes = np.array([errors.units for _, errors in counted], dtype=np.int64)
    if sizes.sum() == 0:
        return None
    low, high = interval([(clip.set, clip.id) for clip, _ in counted], totals, sizes)
    percent = 100 * totals.sum() / sizes.sum()
    return Rate(float(percent), low, high, int(totals.sum()), int(sizes.sum()))


def interval(
    clips: Sequence[tuple[str, str]], totals: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[float, float]:
    """Where 95 % of the rates lie, in percent, when the clips are drawn again.

    `clips`: the (set, id) of each stream; `totals`, `sizes`: its errors and units, both (streams,). `totals` may be
    differences of two runs. The streams of one clip are drawn together: hearing it again tells nothing of other clips.
    """
    places = {clip: place for place, clip in enumerate(dict.fromkeys(clips))}
    owners = [places[clip] for clip in clips]
    errors, units = np.bincount(owners, totals), np.bincount(owners, sizes)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = generator.integers(len(places), size=(BOOTSTRAP_SAMPLES, len(places)))
    rates = 100 * errors[drawn].sum(axis=1) / np.maximum(units[drawn].sum(axis=1), 1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return float(low), float(high)


def spread(values: Iterable[float | None]) -> Spread | None:
    present = [value for value in values if value is not None]
    if not present:
        return None
    p50, p95, p99 = np.percentile(present, (50, 95, 99))
    return Spread(float(p50), float(p95), float(p99), len(present))


def summarize(scores: Sequence[ClipScore]) -> Summary:
    """One row for these streams. Failed and refused ones are counted, and left out of everything else."""
    done = [score for score in scores if score.failure is None]
    return Summary(
        streams=len(scores),
        audio_seconds=sum(score.clip.seconds for score in done),
        wer=rate(done, "word"),
        cer=rate(done, "character"),
        committed=spread(latency.seconds for score in done for latency in score.committed),
        tentative=spread(latency.seconds for score in done for latency in score.tentative),
        first_word=spread(score.first_word for score in done if score.clip.is_speech),
        last_word=spread(score.last_word for score in done if score.clip.is_speech),
        stop=spread(score.stop for score in done),
        revisions=sum(score.revisions for score in scores),
        spurious_words=sum(score.spurious_words for score in done),
        failed=sum(score.failure is not None and not score.refused for score in scores),
        refused=sum(score.refused for score in scores),
        late=max((score.late for score in scores), default=0.0),
        lag_growth=_growth([point for score in scores for point in score.lag]),
    )


def by_set(scores: Sequence[ClipScore]) -> dict[str, Summary]:
    """A row for each set, in the order of first appearance."""
    sets: dict[str, list[ClipScore]] = defaultdict(list)
    for score in scores:
        sets[score.clip.set].append(score)
    return {name: summarize(members) for name, members in sets.items()}


def by_minute(scores: Sequence[ClipScore]) -> list[Minute]:
    """The run minute by minute, to see whether anything grows."""
    words: dict[int, list[Latency]] = defaultdict(list)
    lags: dict[int, list[float]] = defaultdict(list)
    for score in scores:
        for latency in score.committed:
            words[int(latency.spoken_at // 60)].append(latency)
        for at, lag in score.lag:
            lags[int(at // 60)].append(lag)
    return [
        Minute(
            number,
            spread(latency.seconds for latency in words[number]),
            float(np.mean(lags[number])) if lags[number] else None,
            max(lags[number], default=None),
        )
        for number in sorted(words.keys() | lags.keys())
    ]


def _growth(points: Sequence[tuple[float, float]]) -> float | None:
    """Least squares; None where all points lie at one moment."""
    if not points:
        return None
    at, lag = np.array(points).T
    spread_of_time = ((at - at.mean()) ** 2).sum()
    if spread_of_time == 0:
        return None
    return float(60 * ((at - at.mean()) * (lag - lag.mean())).sum() / spread_of_time)
