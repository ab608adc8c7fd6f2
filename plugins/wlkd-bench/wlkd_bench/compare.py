"""Is one run better than another, or is it chance? Error rates of two runs on the clips that both have.

  .venv/bin/python -m wlkd_bench.compare streamed.json offline.json

The files are what `wlkd bench --json`, `python -m wlkd_bench.simulate --json` and `python -m wlkd_bench.offline
--json` write. Clips differ far more among each other than two runs on one clip do. So clips are resampled in pairs: the
interval of the difference is much narrower than those of the two rates, and says what these clips can tell.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wlkd_bench.mistakes import told_plainly
from wlkd_bench.report import grid, read_document
from wlkd_bench.summary import interval


@dataclass(frozen=True)
class Pair:
    """One clip in both runs."""

    set: str
    id: str
    unit: str
    """`word` or `character`."""
    units: int
    """Of its reference."""
    errors: tuple[int, int]
    reference: str
    hypotheses: tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """Error rates in percent, the first less the second, and the 95 % interval of that."""

    clips: int
    """However often each was streamed."""
    units: int
    first: float
    second: float
    low: float
    high: float

    @property
    def points(self) -> float:
        return self.first - self.second


def difference(pairs: Sequence[Pair]) -> Difference:
    """Pooled over `pairs`, of which there must be one at least."""
    clips = [(pair.set, pair.id) for pair in pairs]
    units = np.array([pair.units for pair in pairs])
    errors = np.array([pair.errors for pair in pairs])
    low, high = interval(clips, errors[:, 0] - errors[:, 1], units)
    first, second = (100 * errors.sum(axis=0) / units.sum()).tolist()
    return Difference(len(set(clips)), int(units.sum()), first, second, low, high)


def pairs_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Pair]:
    """The clips of two runs that both have errors for: not those without speech, and none that failed.

    A clip that was streamed several times counts each time, with the other run's at the same turn."""
    others: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for clip in second["clips"]:
        if clip["errors"]:
            others[clip["set"], clip["id"]].append(clip)
    for clip in first["clips"]:
        found = others[clip["set"], clip["id"]]
        if clip["errors"] and found:
            other = found.pop(0)
            yield Pair(
                clip["set"],
                clip["id"],
                clip["unit"],
                clip["errors"]["units"],
                (edits(clip["errors"]), edits(other["errors"])),
                clip["reference"],
                (clip["hypothesis"], other["hypothesis"]),
            )


def edits(errors: Mapping[str, int]) -> int:
    return errors["substitutions"] + errors["deletions"] + errors["insertions"]


def table(pairs: Sequence[Pair]) -> str:
    """A row for each set, in the order of first appearance, and one for all sets that are counted in the same unit."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    sets: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        groups[pair.set].append(pair)
        sets[pair.unit].add(pair.set)
    for unit, names in sets.items():
        if len(names) > 1:
            groups[f"all, {unit}s"] = [pair for pair in pairs if pair.unit == unit]
    headings = ("set", "clips", "units", "first %", "second %", "first less second (95 %)")
    return grid(headings, [_row(name, difference(members)) for name, members in groups.items()])


def _row(name: str, one: Difference) -> tuple[str, ...]:
    # One clip can only be drawn again and again: it tells nothing of others.
    bounds = f"({one.low:+.1f} to {one.high:+.1f})" if one.clips > 1 else "(one clip)"
    figures = (f"{one.first:.1f}", f"{one.second:.1f}", f"{one.points:+.1f} {bounds}")
    return (name, str(one.clips), str(one.units), *figures)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true", help="also what both said where the errors differ")
    args = parser.parse_args()
    with told_plainly():
        runs = [read_document(path, "clips") for path in (args.first, args.second)]
    pairs = list(pairs_of(*runs))
    if not pairs:
        print("the two runs have no clip of speech in common", file=sys.stderr)
        return 2
    print(table(pairs))
    for pair in pairs:
        if args.verbose and pair.errors[0] != pair.errors[1]:
            print(f"\n{pair.set}/{pair.id}: {pair.errors[0]} and {pair.errors[1]} errors of {pair.units}")
            print(f"  reference {pair.reference.strip()}")
            for place, said in zip(("first", "second"), pair.hypotheses, strict=True):
                print(f"  {place:9s} {said.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
