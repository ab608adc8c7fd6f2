"""What the kernel says about this process in /proc and /sys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def lines_of(path: Path) -> list[str]:
    """The lines of a file of the kernel; none where it cannot be read."""
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:  # another kernel, or hidden from us: then nothing is known
        return []


def own_groups(root: Path) -> Iterator[Path]:
    """Folders of our control group and of those above it, whose limits count too; cgroups(7), version 2.

    `root` is where /proc and /sys lie.
    """
    mount = root / "sys/fs/cgroup"
    for line in lines_of(root / "proc/self/cgroup"):
        number, _, place = line.split(":", 2)
        if number == "0":
            own = mount / place.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(mount))
