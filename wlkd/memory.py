"""How much main memory this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def available_bytes(root: Path = Path("/")) -> int | None:
    """What the machine has to spare, or what the limits of our control groups (MemoryMax=) leave, if that is less.

    None where Linux does not say. `root` is where /proc and /sys lie.
    """
    known = [*_of_machine(root), *_of_groups(root)]
    return min(known, default=None)


def _of_machine(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            yield int(amount.split()[0]) * 1024


def _of_groups(root: Path) -> Iterator[int]:
    """One amount for each group above us that has a limit; cgroups(7), version 2."""
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        number, _, place = line.split(":", 2)
        if number != "0":
            continue
        own = mount / place.lstrip("/")
        for group in (own, *own.parents):
            if not group.is_relative_to(mount):
                break
            limit = "".join(_lines(group / "memory.max"))
            used = "".join(_lines(group / "memory.current"))
            if limit.isdigit() and used.isdigit():
                # Cached files count as used until somebody needs the room.
                statistics = dict(line.split() for line in _lines(group / "memory.stat"))
                yield int(limit) - int(used) + int(statistics.get("inactive_file", 0))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:  # another kernel, or hidden from us: then nothing is known
        return []
