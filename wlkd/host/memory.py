"""How much main memory this process may still take, and giving back what it does not need."""

from __future__ import annotations

import asyncio
import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path

from wlkd.host.kernel import lines_of, own_groups

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Of mallopt(3), from malloc.h."""

GIVE_BACK_SECONDS = 20.0
"""How often. Pages that are needed again cost a fault each: 0.2 s of CPU time for 400 MiB, as much as a full house
uses."""


def available_bytes(root: Path = Path("/")) -> int | None:
    """What the machine has to spare, or what the limits of our control groups (MemoryMax=) leave, if that is less.

    None where Linux does not say. `root` is where /proc and /sys lie.
    """
    known = [*_of_machine(root), *_of_groups(root)]
    return min(known, default=None)


def share_one_heap() -> None:
    """Let all threads allocate from one heap that shrinks only when told to; to be called before there are any threads.

    malloc_trim(3) shortens the main heap only. Each of the others keeps its end at the longest that it ever was, so
    that memory grows for hours, until the last thread has had its largest batch. Large blocks come from the heap too,
    and its end stays where it is: mapped or trimmed at once, as glibc does by itself, the tensors of every step would
    fault their pages in again (docs/performance.md has the figures). Elsewhere than on glibc this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)


async def keep_giving_back() -> None:
    """For ever, beginning now: return free memory to the system.

    glibc keeps what loading a model and the largest batch so far have used: half as much again as is in use. Elsewhere
    than on glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    while True:
        # ctypes lets other threads run meanwhile.
        await asyncio.to_thread(libc.malloc_trim, 0)
        await asyncio.sleep(GIVE_BACK_SECONDS)


def _of_machine(root: Path) -> Iterator[int]:
    for line in lines_of(root / "proc/meminfo"):
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            yield int(amount.split()[0]) * 1024


def _of_groups(root: Path) -> Iterator[int]:
    """One amount for each group above us that has a limit."""
    for group in own_groups(root):
        limit = "".join(lines_of(group / "memory.max"))
        used = "".join(lines_of(group / "memory.current"))
        if limit.isdigit() and used.isdigit():
            # Cached files count as used until somebody needs the room.
            statistics = dict(line.split() for line in lines_of(group / "memory.stat"))
            yield int(limit) - int(used) + int(statistics.get("inactive_file", 0))
