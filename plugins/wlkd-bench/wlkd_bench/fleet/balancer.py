"""What etc/fleet/haproxy.cfg does with a newcomer: leastconn, over weights that the machines' agents tell."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

ATTEMPTS = 4
"""The first, and `retries 3`."""
WEIGHT_MAX = 4096
"""SRV_EWGHT_MAX of HAProxy."""


@dataclass(eq=False, slots=True)
class Machine:
    """One machine, as it is and as the balancer believes that it is."""

    places: int
    up: bool = True
    draining: bool = False
    streams: set[int] = field(default_factory=set)
    weight: int = 100
    """What the agent told last; 0: nobody new."""
    connections: int = 0
    """As the balancer counts them."""
    version: int = 0
    since: float = 0.0
    asked: bool = False
    """Whether the agent's next answer is on its way."""

    @property
    def accepts(self) -> bool:
        return self.up and not self.draining and len(self.streams) < self.places

    @property
    def agent(self) -> int:
        """What it would tell now; see wlkd_agent.transport."""
        if not self.up or self.draining:
            return 0
        return min(max(self.places - len(self.streams), 0), 100)


class Balancer:
    """Leastconn: the least of (connections + 1) / weight is next, among equals the one that has waited longest."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._queue: list[tuple[float, int, int, Machine]] = []

    def update(self, machine: Machine) -> None:
        """Its weight or its connections have changed."""
        machine.version += 1
        if machine.weight:
            # fwlc_queue_srv() in HAProxy's src/lb_fwlc.c.
            count = machine.connections
            key = (count + 1) * WEIGHT_MAX / machine.weight if count else 0.0
            heapq.heappush(self._queue, (key, next(self._order), machine.version, machine))

    def place(self) -> Machine | None:
        """The machine that takes a newcomer; None: he is refused."""
        tried: list[tuple[float, int, int, Machine]] = []
        found = None
        while len(tried) < ATTEMPTS and self._queue:
            entry = heapq.heappop(self._queue)
            _, _, version, machine = entry
            if version != machine.version:
                continue
            tried.append(entry)
            if machine.accepts:
                found = machine
                break
        for entry in tried:
            heapq.heappush(self._queue, entry)
        return found
