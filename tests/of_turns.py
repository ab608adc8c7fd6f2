"""A plugin for tests: a turn detector that finds speech alone unfinished, and speech with silence behind it over."""

from __future__ import annotations

import threading
from typing import ClassVar

import numpy as np

from wlkd import Registry, Samples, TurnDetector, hookimpl


class Ears(TurnDetector):
    """Says how long the audio was that it got, as a share of what it wants."""

    samples = 2 * 16_000

    def judge(self, samples: Samples) -> float:
        assert len(samples) <= self.samples and np.abs(samples).max() > 0
        return len(samples) / self.samples


class Broken(TurnDetector):
    """Has a defect."""

    samples = 2 * 16_000

    def judge(self, samples: Samples) -> float:
        raise ValueError("a defect")


class Silent(TurnDetector):
    """Answers when `gate` is set."""

    samples = 2 * 16_000
    gate: ClassVar[threading.Event] = threading.Event()

    def judge(self, samples: Samples) -> float:
        self.gate.wait()
        return 1.0


@hookimpl
def wlkd_register_turn_detectors(register: Registry) -> None:
    register("ears", Ears)
    register("broken", Broken)
    register("silent", Silent)
