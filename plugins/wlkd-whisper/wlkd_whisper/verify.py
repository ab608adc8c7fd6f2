"""Compares a size's files with the digests that are known for them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wlkd_whisper.catalogue import MODELS, PinnedFile
from wlkd_whisper.digest import read_note, sha256
from wlkd_whisper.folder import contents, decoder_file, encoder_dir, explain


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


def verify(models_dir: Path, size: str, advance: Advance = lambda _: None) -> list[Finding]:
    """Read every file of `size` to its end and compare; `advance` is told of each piece's length.

    A size that the catalogue does not know (a conversion of one's own) is looked at as far as that goes.
    """
    folder, checkpoint = encoder_dir(models_dir, size), decoder_file(models_dir, size)
    if size in MODELS:
        findings = [_encoder_file(folder / file.name, file, advance) for file in MODELS[size].encoder]
    else:
        findings = _own_conversion(folder, advance)
    return [*findings, _checkpoint(checkpoint, MODELS[size].decoder if size in MODELS else None, advance)]


def bytes_to_read(models_dir: Path, size: str) -> int:
    """What `verify` will tell `advance` altogether."""
    folder = encoder_dir(models_dir, size)
    paths = [folder / file.name for file in MODELS[size].encoder] if size in MODELS else contents(folder)
    return sum(path.stat().st_size for path in [*paths, decoder_file(models_dir, size)] if os.access(path, os.R_OK))


def _own_conversion(folder: Path, advance: Advance) -> list[Finding]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        return [_unreadable(folder, error)]
    return [_unpinned(path, advance) for path in paths]


def _encoder_file(path: Path, pinned: PinnedFile, advance: Advance) -> Finding:
    try:
        present, digest = path.stat().st_size, sha256(path, advance)
    except OSError as error:
        return _unreadable(path, error)
    if present != pinned.nbytes:
        return Finding(path, Verdict.DAMAGED, f"{present:,} bytes instead of {pinned.nbytes:,}")
    if digest != pinned.sha256:
        return Finding(path, Verdict.DAMAGED, f"SHA-256 {digest} instead of {pinned.sha256}")
    return Finding(path, Verdict.OFFICIAL)


def _checkpoint(path: Path, pinned: PinnedFile | None, advance: Advance) -> Finding:
    try:
        digest, note = sha256(path, advance), read_note(path)
        if pinned is not None and digest == pinned.sha256:
            return Finding(path, Verdict.OFFICIAL)
        if digest == note:
            return Finding(path, Verdict.DERIVED)
        if note is not None:
            return Finding(path, Verdict.DAMAGED, f"SHA-256 {digest} instead of {note}, kept when it was derived")
        # Neither OpenAI's nor ours: the zip's own checksums are all there is to go by.
        with zipfile.ZipFile(path) as archive:
            torn = archive.testzip()
    except zipfile.BadZipFile as error:
        return Finding(path, Verdict.DAMAGED, f"not a complete checkpoint: {error}")
    except OSError as error:
        return _unreadable(path, error)
    if torn is not None:
        return Finding(path, Verdict.DAMAGED, f"the record {torn} does not match its checksum")
    return Finding(path, Verdict.UNPINNED, "neither OpenAI's file nor derived here; its own checksums hold")


def _unpinned(path: Path, advance: Advance) -> Finding:
    try:
        digest = sha256(path, advance)
    except OSError as error:
        return _unreadable(path, error)
    return Finding(path, Verdict.UNPINNED, f"SHA-256 {digest}")


def _unreadable(path: Path, error: OSError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding(path, Verdict.MISSING)
    return Finding(path, Verdict.DAMAGED, explain(path, error).removeprefix(f"{path}: "))
