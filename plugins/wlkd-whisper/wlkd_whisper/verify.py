"""Compares a size's files with the digests that are known for them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from wlkd_models.access import contents
from wlkd_models.digest import read_note, sha256
from wlkd_models.files import PinnedFile
from wlkd_models.findings import Advance, Finding, Verdict, check_pinned, describe_unpinned, unreadable

from wlkd_whisper.catalogue import MODELS
from wlkd_whisper.folder import decoder_file, encoder_dir


def verify(models_dir: Path, size: str, advance: Advance = lambda _: None) -> list[Finding]:
    """Read every file of `size` to its end and compare; `advance` gets each piece's length.

    A size that the catalogue does not know (a conversion of one's own) is looked at as far as that goes.
    """
    folder, checkpoint = encoder_dir(models_dir, size), decoder_file(models_dir, size)
    if size in MODELS:
        findings = [check_pinned(folder / file.name, file, advance) for file in MODELS[size].encoder]
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
        return [unreadable(folder, error)]
    return [describe_unpinned(path, advance) for path in paths]


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
        return unreadable(path, error)
    if torn is not None:
        return Finding(path, Verdict.DAMAGED, f"the record {torn} does not match its checksum")
    return Finding(path, Verdict.UNPINNED, "neither OpenAI's file nor derived here; its own checksums hold")
