"""How many machines does a given number of people at once take? A day of a fleet in virtual time.

  python -m wlkd_bench.fleet --people 100 10000 1000000

The balancer places newcomers as etc/fleet/haproxy.cfg does; the day of an organisation (day.py) and failures come
from a seed, and at noon all machines are updated. Told is the least number of machines with which at most one in a
thousand is refused on each of the days, and what happened on them. Above --cell people, name servers spread them over
cells, each with a balancer of its own: one cell is computed, with --uneven more people than its share.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wlkd_bench.fleet.simulation import Assumptions, Day, Simulation
from wlkd_bench.report import grid

REFUSED = 0.001
LATENCY = ((1, 1.68), (8, 2.2), (24, 4.27))
"""Streams of base on two cores and the p95 of committed words in seconds: docs/benchmarks.md, docs/performance.md."""
STREAM_BITS = 256_000
"""Raw audio, the worst case, in a second; a browser's WebM takes an eighth."""
MACHINE_BYTES = 0.3e9 + 0.45e9
"""The model base, and the image: docs/offline.md, docs/container.md."""
REGISTRY_BITS = 10e9


@dataclass(frozen=True)
class Answer:
    """For this number of people."""

    people: int
    cells: int
    machines: int
    """Of one cell."""
    days: Sequence[Day]


def answer(people: int, args: argparse.Namespace) -> Answer:
    """The least number of machines, by bisection, to one per cent."""
    given = Assumptions(places=args.places, plain=args.plain, failures_per_day=args.failures)
    cells = math.ceil(people / args.cell)
    share = people if cells == 1 else round(people / cells * (1 + args.uneven))

    def days(machines: int) -> list[Day] | None:
        """None: not enough."""
        lived = []
        for seed in range(args.seed, args.seed + args.days):
            day = Simulation(share, machines, seed, given).run(REFUSED)
            if day.refused > REFUSED * day.sessions:
                return None
            lived.append(day)
        return lived

    low = math.ceil(share / args.places) - 1
    high = math.ceil(1.05 * share / args.places) + 1
    while (enough := days(high)) is None:
        low, high = high, math.ceil(1.2 * high)
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        if (tried := days(middle)) is None:
            low = middle
        else:
            high, enough = middle, tried
    return Answer(people, cells, high, enough)


def latency(day: Day, share: float, places: int) -> float:
    """The p95 of words on the machines where this share of all streaming time has fewer neighbours."""
    spent = np.cumsum(day.stream_seconds)
    streams = int(np.searchsorted(spent, share * spent[-1]))
    counts, seconds = zip(*LATENCY, strict=True)
    # A machine with more places is a faster one: as full, as slow.
    return float(np.interp(streams * LATENCY[-1][0] / places, counts, seconds))


def bottleneck(one: Answer) -> str:
    """What is scarce first, apart from places."""
    balancer = one.people / one.cells * STREAM_BITS / 1e9
    connections = max(day.connections_per_second for day in one.days)
    copies = one.cells * one.machines * MACHINE_BYTES * 8 / REGISTRY_BITS / 3600
    return (
        f"{balancer:.2g} Gbit/s each way and {connections} connections in a second at a balancer; "
        f"{copies:.2g} h to give all machines model and image from one 10 Gbit/s store"
    )


def row(one: Answer, args: argparse.Namespace) -> list[str]:
    def mean(values: Iterable[int]) -> str:
        return f"{np.mean(list(values)) * one.cells:,.0f}"

    gaps = np.concatenate([np.asarray(day.gaps) for day in one.days])
    busiest = max(day.busiest for day in one.days) / (one.machines * args.places)
    middle, late = (np.mean([latency(day, share, args.places) for day in one.days]) for share in (0.5, 0.95))
    return [
        f"{one.people:,}",
        f"{one.cells:,}",
        f"{one.cells * one.machines:,}",
        f"{busiest:.0%}",
        mean(day.sessions for day in one.days),
        mean(day.refused for day in one.days),
        mean(day.gave_up for day in one.days),
        mean(day.moved for day in one.days),
        mean(day.resumed for day in one.days),
        mean(day.cut for day in one.days),
        f"{np.percentile(gaps, 99):.1f} / {gaps.max():.1f}",
        f"{middle:.1f} / {late:.1f}",
    ]


HEAD = [
    "people at once",
    "cells",
    "machines",
    "full at most",
    "streams a day",
    "refused once",
    "gave up",
    "moved by the update",
    "resumed after a death",
    "plain ones cut off",
    "without a machine p99 / longest s",
    "p95 of words, half / 95 % of the time below, s",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    parser.add_argument("--places", type=int, default=24, help="of one machine (24: base on two cores)")
    parser.add_argument("--plain", type=float, default=0.1, help="share of clients that cannot resume (0.1)")
    parser.add_argument("--failures", type=float, default=1 / 30, help="of one machine in a day (1/30)")
    parser.add_argument("--cell", type=int, default=10_000, help="people at once behind one balancer (10000)")
    parser.add_argument("--uneven", type=float, default=0.1, help="what name servers give a cell too much (0.1)")
    parser.add_argument("--days", type=int, default=3, help="each from a seed of its own (3)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    answers = [answer(people, args) for people in args.people]
    print(grid(HEAD, [row(one, args) for one in answers]))
    for one in answers:
        print(f"\n{one.people:,}: {bottleneck(one)}")


if __name__ == "__main__":
    main()
