"""How many processors this process may keep busy, and how they are shared out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wlkd.host.kernel import lines_of, own_groups

MOST_INFERENCE_THREADS = 8
"""One step of a small model has too little in it for more: beyond, threads wait for each other."""
MOST_AUDIO_THREADS = 8
"""Decoding and VAD take about 1 % of a core for each session: these serve hundreds."""


def cores(root: Path = Path("/")) -> int:
    """Processors that we may use: those we are pinned to, or what CPUQuota= of our control groups leaves, if less.

    `root` is where /proc and /sys lie.
    """
    affinity = len(os.sched_getaffinity(0))
    return max(min([affinity, *(round(quota) for quota in _quotas(root))]), 1)


def inference_threads(count: int) -> int:
    """Threads of one inference on `count` cores: all, so that a step is as short as it can be."""
    return min(count, MOST_INFERENCE_THREADS)


def audio_threads(count: int) -> int:
    """Threads that decode and look for speech on `count` cores: short calls, more of them than cores so that one long
    one holds up nobody."""
    return min(2 * count, MOST_AUDIO_THREADS)


def _quotas(root: Path) -> Iterator[float]:
    """Processors' worth of time for each group above us that has a limit."""
    for group in own_groups(root):
        for line in lines_of(group / "cpu.max"):
            quota, period = line.split()
            if quota != "max":
                yield int(quota) / int(period)
