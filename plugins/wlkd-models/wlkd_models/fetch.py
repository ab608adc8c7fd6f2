"""Brings files into a folder: tries the sources in order, resumes, checks digests, puts files in place whole.

Only `wlkd models get` calls this. The daemon never does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from wlkd_models.digest import matches
from wlkd_models.files import PinnedFile
from wlkd_models.sources import Source, SourceUnavailable, in_order

Say = Callable[[str], None]
"""Takes one line for the person who waits."""


class GetError(Exception):
    """A model could not be had; the message says what was tried."""


def fetch(
    files: Sequence[PinnedFile], folder: Path, sources: Sequence[Source], say: Say, first: str | None = None
) -> tuple[list[PinnedFile], list[str]]:
    """Returns the files that no source could bring, and why each source could not. `first`: see `in_order`."""
    remaining, failures = list(files), []
    for source in in_order(sources, first, folder.name):
        try:
            while remaining:
                _fetch_one(remaining[0], folder, source)
                say(f"{folder.name}/{remaining[0].name}: from {source.label}, digest verified")
                remaining.pop(0)
        except SourceUnavailable as error:
            failures.append(f"{source.label}: {error}")
            say(f"{source.label} cannot be used: {error}")
        if not remaining:
            break
    return remaining, failures


def _fetch_one(file: PinnedFile, folder: Path, source: Source) -> None:
    part = part_of(file, folder)
    make_folder(part.parent)
    resumed = part.exists()
    try:
        _complete(file, part, source)
        if resumed and not matches(part, file):
            # Its beginning may have been another version's, or damaged: once more, from nought.
            part.unlink()
            _complete(file, part, source)
        if not matches(part, file):
            part.unlink()
            raise SourceUnavailable(f"{file.name} has a wrong digest there")
    except SourceUnavailable:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        raise
    # The service runs as another user than the person who downloads.
    part.chmod(0o644)
    part.replace(folder / file.name)


def _complete(file: PinnedFile, part: Path, source: Source) -> None:
    with tqdm(total=file.nbytes, unit="B", unit_scale=True, desc=file.name, disable=None, leave=False) as bar:
        source.fetch(file, part, lambda present: bar.update(present - bar.n))


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Two commands must not write the same files. The lock ends with this process, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GetError(f"{folder}: another `wlkd models get` is writing there") from error
    else:
        yield
    finally:
        os.close(descriptor)


def part_of(file: PinnedFile, folder: Path) -> Path:
    """Where `file` is until it is whole; what an earlier attempt brought of it stays there."""
    return folder / f"{file.name}.part"


def check_space(folder: Path, files: Sequence[PinnedFile]) -> None:
    """Raises GetError where there is no room for what is still missing of `files` in `folder`."""
    parts = [part_of(file, folder) for file in files]
    present = sum(part.stat().st_size for part in parts if part.exists())
    needed, free = sum(file.nbytes for file in files) - present, shutil.disk_usage(folder).free
    if free < needed:
        raise GetError(f"{folder}: needs {needed / 1e6:,.0f} MB, only {free / 1e6:,.0f} MB are free")


def drop_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
