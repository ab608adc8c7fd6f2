"""Files that are known byte for byte, and where in a wheel they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file that is known byte for byte."""

    name: str
    nbytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a wheel of the package index: the requirement that names the wheel, the path in it."""

    requirement: str
    path: str


Mirror = dict[str, tuple[WheelMember, ...]]
"""For each file name, the members whose bytes, one after the other, are the file."""


def in_wheel(requirement: str, folder: str, files: Iterable[PinnedFile]) -> Mirror:
    """`files`, each as one member of its own name below `folder` of the wheel."""
    return {file.name: (WheelMember(requirement, f"{folder}/{file.name}"),) for file in files}
