"""One day of a fleet: people come, machines die, and at noon all are updated, some at a time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from wlkd_bench.fleet.balancer import Balancer, Machine
from wlkd_bench.fleet.day import HOUR, busiest_moment, sessions


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not wlkd's to decide. Seconds."""

    places: int = 24
    """Of one machine: base on two cores, docs/performance.md."""
    plain: float = 0.1
    """Share of clients that cannot resume."""
    failures_per_day: float = 1 / 30
    """Of one machine; one more dies at the busiest moment."""
    repair: float = 600.0
    agent: float = 1.0
    """Between two questions of the balancer."""
    update_at: float = 12 * HOUR
    updated_at_once: float = 0.05
    linger: float = 120.0
    restart: float = 15.0
    moving: float = 5.0
    """Until the next pause; the bound of a drain."""
    patience: float = 120.0
    """How long a person who was refused tries again."""


@dataclass(slots=True)
class Day:
    """What happened."""

    sessions: int = 0
    refused: int = 0
    """People who were turned away at least once when they came."""
    gave_up: int = 0
    moved: int = 0
    """Streams that went on with another machine, for an update."""
    resumed: int = 0
    """And after a machine died."""
    cut: int = 0
    """Plain clients whose stream was ended."""
    gaps: list[float] = field(default_factory=list)
    """Seconds without a machine, of those who moved or resumed."""
    busiest: int = 0
    connections_per_second: int = 0
    stream_seconds: list[float] = field(default_factory=list)
    """By the number of streams on the same machine."""
    updated_in: float = 0.0


class Simulation:
    """`machines` equal machines behind one balancer, for one day."""

    def __init__(self, people: int, machines: int, seed: int, assumptions: Assumptions) -> None:
        self._rng = np.random.default_rng(seed)
        self._given = assumptions
        self._plan = sessions(people, self._rng)
        self._resumable = self._rng.random(len(self._plan)) >= assumptions.plain
        self._ends = self._plan.sum(axis=1)
        self._machines = [Machine(assumptions.places) for _ in range(machines)]
        self._where: dict[int, Machine] = {}
        self._balancer = Balancer()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._now = 0.0
        self._second = (0, 0)
        self.day = Day(sessions=len(self._plan), stream_seconds=[0.0] * (assumptions.places + 1))

    def run(self, most_refused: float = math.inf) -> Day:
        """The whole day; not to its end where more than `most_refused` of all are refused."""
        for machine in self._machines:
            self._balancer.update(machine)
        for session, begin in enumerate(self._plan[:, 0]):
            self._at(float(begin), partial(self._come, session, float(begin)))
        self._plan_failures()
        self._at(self._given.update_at, partial(self._update, list(self._machines)))
        while self._events and self.day.refused <= most_refused * self.day.sessions:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        return self.day

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happen))

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        self._at(self._now + seconds, happen)

    # People

    def _come(self, session: int, first: float, pause: float = 5.0) -> None:
        if self._connect(session):
            self._at(float(self._ends[session]), partial(self._leave, session))
            return
        if self._now == first:
            self.day.refused += 1
        if self._now + pause - first > self._given.patience:
            self.day.gave_up += 1
            return
        self._after(pause * self._rng.uniform(1, 2), partial(self._come, session, first, pause))

    def _go_on(self, session: int, lost: float, pause: float) -> None:
        """A stream that lost its machine connects again, as wlkd.client does."""
        if self._now >= self._ends[session]:
            return
        if self._connect(session):
            self.day.gaps.append(self._now - lost)
            return
        pause = min(2 * pause, 30.0)
        self._after(pause * self._rng.uniform(0.5, 1), partial(self._go_on, session, lost, pause))

    def _connect(self, session: int) -> bool:
        second = int(self._now)
        self._second = (second, self._second[1] + 1 if self._second[0] == second else 1)
        self.day.connections_per_second = max(self.day.connections_per_second, self._second[1])
        machine = self._balancer.place()
        if machine is None:
            return False
        self._count(machine)
        machine.streams.add(session)
        self._where[session] = machine
        self.day.busiest = max(self.day.busiest, len(self._where))
        self._changed(machine)
        return True

    def _leave(self, session: int) -> None:
        machine = self._where.pop(session, None)
        if machine is not None:
            self._count(machine)
            machine.streams.remove(session)
            self._changed(machine)

    def _count(self, machine: Machine) -> None:
        """Before its streams change."""
        count = len(machine.streams)
        self.day.stream_seconds[count] += count * (self._now - machine.since)
        machine.since = self._now

    def _changed(self, machine: Machine) -> None:
        machine.connections = len(machine.streams)
        self._balancer.update(machine)
        if not machine.asked:
            machine.asked = True
            self._after(self._rng.uniform(0, self._given.agent), partial(self._ask, machine))

    def _ask(self, machine: Machine) -> None:
        machine.asked = False
        machine.weight = machine.agent
        self._balancer.update(machine)

    # Machines

    def _plan_failures(self) -> None:
        begin, end = float(self._plan[0, 0]), float(self._ends.max())
        for machine in self._machines:
            if self._rng.random() < self._given.failures_per_day:
                self._at(self._rng.uniform(begin, end), partial(self._die, machine))
        self._at(busiest_moment(self._plan), partial(self._die, self._machines[0]))

    def _die(self, machine: Machine) -> None:
        if not machine.up or machine.draining:
            return
        machine.up = False
        for session in self._emptied(machine):
            if self._resumable[session]:
                self.day.resumed += 1
                self._after(0.5 * self._rng.uniform(0.5, 1), partial(self._go_on, session, self._now, 0.5))
            else:
                self.day.cut += 1
        self._after(self._given.repair, partial(self._return, machine))

    def _emptied(self, machine: Machine) -> list[int]:
        self._count(machine)
        gone = sorted(machine.streams)
        machine.streams.clear()
        for session in gone:
            del self._where[session]
        self._changed(machine)
        return gone

    def _return(self, machine: Machine) -> None:
        machine.up, machine.draining = True, False
        self._changed(machine)

    def _update(self, left: list[Machine]) -> None:
        """Drain some, restart them, and go on with the next when they are back."""
        count = max(round(len(self._machines) * self._given.updated_at_once), 1)
        batch, left = left[:count], left[count:]
        if not batch:
            self.day.updated_in = self._now - self._given.update_at
            return
        for machine in batch:
            if machine.up:
                self._drain(machine)
        longest = self._given.linger + self._given.restart
        self._after(longest, partial(self._update, left))

    def _drain(self, machine: Machine) -> None:
        machine.draining = True
        self._changed(machine)
        for session in sorted(machine.streams):
            if self._resumable[session]:
                self._after(self._rng.uniform(0, self._given.moving), partial(self._move, session, machine))
        self._after(self._given.linger, partial(self._stop, machine))

    def _move(self, session: int, machine: Machine) -> None:
        if session in machine.streams:
            self._leave(session)
            self.day.moved += 1
            self._go_on(session, self._now, 0.25)

    def _stop(self, machine: Machine) -> None:
        self.day.cut += len(self._emptied(machine))
        machine.up = False
        self._after(self._given.restart, partial(self._return, machine))
