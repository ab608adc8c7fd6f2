"""What happens to the fleet, when, and to whom: all of it from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "drain", "pause", "add", "reload", "cut"]
PAUSE_SECONDS = 20.0
CUT_SECONDS = 10.0
DESCRIPTIONS: dict[Kind, str] = {
    "kill": "SIGKILL, and the service starts again",
    "drain": "SIGTERM, as for an update, and it starts again",
    "pause": f"SIGSTOP for {PAUSE_SECONDS:g} s",
    "add": "added to the balancer",
    "reload": "the balancer is reloaded",
    "cut": f"the network of some clients is cut for {CUT_SECONDS:g} s",
}
FIRST_SECONDS = 12.0
"""Until everybody speaks and the balancer knows the machines' weights."""
LAST_SECONDS = 30.0
"""Before the end: whoever has to come back should have something left to say."""


@dataclass(frozen=True)
class Trouble:
    """One thing that happens."""

    at: float
    """Seconds after the first person begins to speak."""
    kind: Kind
    machine: str | None = None

    def __str__(self) -> str:
        return f"{self.at:5.1f} s  {' '.join(filter(None, (self.machine, DESCRIPTIONS[self.kind])))}"


def troubles(machines: Sequence[str], added: str, seconds: float, seed: int) -> list[Trouble]:
    """One of each kind at random moments of a run of so many seconds; they may come at one time.

    Of the machines, at least three, one dies, one drains and one hangs. Raises `ValueError` where the run is too short.
    """
    last = seconds - LAST_SECONDS
    if last <= FIRST_SECONDS:
        raise ValueError(f"--seconds must be more than {FIRST_SECONDS + LAST_SECONDS:g}")
    dice = random.Random(seed)
    victims = dice.sample(sorted(machines), 3)
    kinds: list[tuple[Kind, str | None]] = [
        ("kill", victims[0]),
        ("drain", victims[1]),
        ("pause", victims[2]),
        ("add", added),
        ("reload", None),
        ("cut", None),
    ]
    return sorted(
        (Trouble(dice.uniform(FIRST_SECONDS, last), kind, machine) for kind, machine in kinds), key=lambda one: one.at
    )
