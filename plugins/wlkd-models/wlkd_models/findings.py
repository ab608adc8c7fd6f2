"""What is found when a model's files are read and compared with what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wlkd_models.access import explain
from wlkd_models.digest import sha256
from wlkd_models.files import PinnedFile


class Verdict(Enum):
    """What is known about a file after reading all of it."""

    OFFICIAL = "official"
    """Byte for byte what its publisher released."""
    DERIVED = "as derived"
    """A decoder, byte for byte as wlkd rebuilt it."""
    UNPINNED = "unpinned"
    """No digest is known for it; it is whole as far as can be seen."""
    MISSING = "missing"
    DAMAGED = "damaged"


BAD = frozenset({Verdict.MISSING, Verdict.DAMAGED})


@dataclass(frozen=True, slots=True)
class Finding:
    """One file and what was found."""

    path: Path
    verdict: Verdict
    detail: str = ""


Advance = Callable[[int], object]


def check_pinned(path: Path, pinned: PinnedFile, advance: Advance) -> Finding:
    """Read the file at `path` and compare it with what is known of it."""
    try:
        present, digest = path.stat().st_size, sha256(path, advance)
    except OSError as error:
        return unreadable(path, error)
    if present != pinned.nbytes:
        return Finding(path, Verdict.DAMAGED, f"{present:,} bytes instead of {pinned.nbytes:,}")
    if digest != pinned.sha256:
        return Finding(path, Verdict.DAMAGED, f"SHA-256 {digest} instead of {pinned.sha256}")
    return Finding(path, Verdict.OFFICIAL)


def describe_unpinned(path: Path, advance: Advance) -> Finding:
    """Read a file of which nothing is known."""
    try:
        digest = sha256(path, advance)
    except OSError as error:
        return unreadable(path, error)
    return Finding(path, Verdict.UNPINNED, f"SHA-256 {digest}")


def unreadable(path: Path, error: OSError) -> Finding:
    """What `error`, met at `path`, means."""
    if isinstance(error, FileNotFoundError):
        return Finding(path, Verdict.MISSING)
    return Finding(path, Verdict.DAMAGED, explain(path, error).removeprefix(f"{path}: "))
