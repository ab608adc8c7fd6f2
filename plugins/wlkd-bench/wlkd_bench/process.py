"""What a process costs, read from /proc (Linux)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment."""

    at: float
    """Seconds, monotonic."""
    cpu_seconds: float
    """Processor time that it has used since it began."""
    resident_bytes: int
    threads: int
    descriptors: int


def usage(pid: int) -> Usage:
    """Raises `OSError` when there is no such process, or it belongs to somebody else."""
    folder = Path("/proc") / str(pid)
    # The name, the second field, may hold spaces and parentheses.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(
        at=time.monotonic(),
        cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"),
        resident_bytes=int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        threads=int(fields[17]),
        descriptors=sum(1 for _ in (folder / "fd").iterdir()),
    )


def cpu_share(before: Usage, after: Usage) -> float:
    """Cores kept busy between two moments: 0.02 is 2 % of one core."""
    return (after.cpu_seconds - before.cpu_seconds) / (after.at - before.at)
