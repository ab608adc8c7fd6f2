"""Diarization error rate: the share of speech time that is given to nobody, to too many, or to somebody else.

As pyannote.metrics defines it: speech within `collar` / 2 of each boundary of the reference is not scored, overlapped
speech is, and the speakers of both sides are matched one to one so that they agree the longest. NIST's md-eval leaves
out its collar on each side of a boundary: its 0.25 s is 0.5 here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Speaker = str


class Turn(NamedTuple):
    """Somebody speaks; seconds."""

    start: float
    end: float
    speaker: Speaker


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds, added up over speakers: where two speak, each second counts twice."""

    speech: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0

    @property
    def rate(self) -> float:
        """DER; 0.1 is ten percent."""
        return (self.missed + self.false_alarm + self.confusion) / self.speech if self.speech else 0.0

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.speech + other.speech,
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confusion + other.confusion,
        )


def diarization_errors(reference: Sequence[Turn], told: Sequence[Turn], collar: float = 0.25) -> DiarizationErrors:
    """The errors of `told`. Turns of one speaker may overlap each other; they count once."""
    pieces = _pieces(_merged(reference), told, collar)
    together: dict[tuple[Speaker, Speaker], float] = defaultdict(float)
    for length, true, given in pieces:
        for pair in ((one, other) for one in true for other in given):
            together[pair] += length
    partner = best_mapping(together)
    total = DiarizationErrors()
    for length, true, given in pieces:
        right = sum(partner.get(speaker) in true for speaker in given)
        total += DiarizationErrors(
            speech=length * len(true),
            missed=length * max(len(true) - len(given), 0),
            false_alarm=length * max(len(given) - len(true), 0),
            confusion=length * (min(len(true), len(given)) - right),
        )
    return total


def best_mapping(together: Mapping[tuple[Speaker, Speaker], float]) -> dict[Speaker, Speaker]:
    """For each speaker told, the true one that is his: one to one, with the most `together[true, told]` in sum.

    Exact, by the table of which true speakers are taken; for as many speakers as sit around a table.
    """
    truth = {true: 1 << place for place, true in enumerate(sorted({true for true, _ in together}))}
    best: dict[int, tuple[float, dict[Speaker, Speaker]]] = {0: (0.0, {})}
    for given in sorted({given for _, given in together}):
        for taken, (sum_before, mapping) in list(best.items()):
            for true, bit in truth.items():
                gain = together.get((true, given), 0.0)
                if gain and not taken & bit and sum_before + gain > best.get(taken | bit, (-1.0, {}))[0]:
                    best[taken | bit] = (sum_before + gain, mapping | {given: true})
    return max(best.values(), key=lambda found: found[0])[1]


def _merged(turns: Iterable[Turn]) -> list[Turn]:
    """Turns of one speaker that touch, as one, without a boundary inside."""
    merged: list[Turn] = []
    last: dict[Speaker, int] = {}
    for turn in sorted(turns):
        place = last.get(turn.speaker)
        if place is not None and turn.start <= merged[place].end:
            merged[place] = merged[place]._replace(end=max(merged[place].end, turn.end))
        else:
            last[turn.speaker] = len(merged)
            merged.append(turn)
    return merged


def _pieces(
    reference: Sequence[Turn], told: Sequence[Turn], collar: float
) -> list[tuple[float, frozenset[Speaker], frozenset[Speaker]]]:
    """Stretches of scored time in which nothing changes: their length, who speaks, who is told to."""
    unscored = [Turn(edge - collar / 2, edge + collar / 2, "") for turn in reference for edge in (turn.start, turn.end)]
    changes = sorted({time for turn in (*reference, *told, *unscored) for time in (turn.start, turn.end)})
    pieces = []
    for start, end in pairwise(changes):
        middle = (start + end) / 2
        if not _at(middle, unscored):
            pieces.append((end - start, _at(middle, reference), _at(middle, told)))
    return pieces


def _at(time: float, turns: Iterable[Turn]) -> frozenset[Speaker]:
    return frozenset(turn.speaker for turn in turns if turn.start <= time < turn.end)
