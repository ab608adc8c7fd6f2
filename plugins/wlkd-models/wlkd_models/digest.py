"""SHA-256 of files, and the note that goes with a checkpoint that was derived here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from wlkd_models.files import PinnedFile

CHUNK_BYTES = 1 << 20


def sha256(path: Path, advance: Callable[[int], object] = lambda _: None) -> str:
    """The digest in hexadecimal; `advance` gets each piece's length. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
            advance(len(piece))
    return digest.hexdigest()


def matches(path: Path, file: PinnedFile) -> bool:
    """Is `path` there, and exactly `file`? The size is looked at first. Raises OSError when it cannot be read."""
    return path.exists() and path.stat().st_size == file.nbytes and sha256(path) == file.sha256


def note_of(path: Path) -> Path:
    """Where the digest of a derived checkpoint is kept; `sha256sum -c` reads it too."""
    return path.with_name(f"{path.name}.sha256")


def write_note(path: Path) -> None:
    """Keep the digest of `path` beside it, so that a later copy can be checked."""
    note = note_of(path)
    note.write_text(f"{sha256(path)}  {path.name}\n", encoding="ascii")
    note.chmod(0o644)


def read_note(path: Path) -> str | None:
    """The digest kept for `path`; None: it was not derived by wlkd. Raises OSError when it cannot be read."""
    note = note_of(path)
    if not note.exists():
        return None
    return note.read_text(encoding="ascii", errors="replace").split(" ", 1)[0].strip()
