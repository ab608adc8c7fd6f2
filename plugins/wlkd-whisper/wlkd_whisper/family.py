"""Whisper's models, as `wlkd models` sees them: a size is a pair of encoder and decoder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from wlkd_models.access import contents
from wlkd_models.family import ModelFamily, State
from wlkd_models.fetch import Say
from wlkd_models.findings import Advance, Finding

from wlkd_whisper.catalogue import MODELS
from wlkd_whisper.derivation import DerivationUnavailable, derive_decoder
from wlkd_whisper.dims import ModelFileError, WhisperDims
from wlkd_whisper.folder import decoder_file, encoder_dir, private_paths, sizes_in
from wlkd_whisper.get import get
from wlkd_whisper.pairs import check_pair, decoder_dims, encoder_dims
from wlkd_whisper.verify import bytes_to_read, verify


class WhisperFamily(ModelFamily):
    """See the module."""

    parts = ("encoder", "decoder")

    def names(self) -> Sequence[str]:
        return list(MODELS)

    def present(self, models_dir: Path) -> Sequence[str]:
        return sizes_in(models_dir)

    def states(self, models_dir: Path) -> Sequence[State]:
        sizes = sizes_in(models_dir)
        encoders, decoders = _known_dims(models_dir, sizes)
        return [_state(models_dir, size, encoders, decoders) for size in sizes]

    def bytes_to_read(self, models_dir: Path, name: str) -> int:
        return bytes_to_read(models_dir, name)

    def verify(self, models_dir: Path, name: str, advance: Advance) -> Sequence[Finding]:
        return verify(models_dir, name, advance)

    def get(self, name: str, into: Path, parts: Collection[str], say: Say, first: str | None = None) -> None:
        get(name, into, encoder="encoder" in parts, decoder="decoder" in parts, say=say, first=first)

    def problems(self, models_dir: Path, name: str) -> Sequence[str]:
        return check_pair(models_dir, name)

    def add_actions(self, actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        derive = actions.add_parser("derive-decoder", help="rebuild pytorch-whisper-SIZE from faster-whisper-SIZE")
        derive.add_argument("size", metavar="SIZE")
        derive.set_defaults(act=_derive)


FAMILY = WhisperFamily()


def _state(models_dir: Path, size: str, encoders: dict[str, WhisperDims], decoders: dict[str, WhisperDims]) -> State:
    problems = check_pair(models_dir, size)
    partner = next((other for other, dims in decoders.items() if dims == encoders.get(size)), None)
    if problems and partner not in (None, size):
        problems.append(f"{decoder_file(models_dir, str(partner))} would fit this encoder")
    folders = (encoder_dir(models_dir, size), decoder_file(models_dir, size).parent)
    unfinished = [path for folder in folders for path in contents(folder) if path.suffix == ".part"]
    hints = [f"{path}: a download that stopped; `wlkd models get {size}` goes on" for path in unfinished]
    private = private_paths(models_dir, size)
    hints += [f"{path}: other users cannot read it; `chmod -R a+rX {path}`" for path in private]
    return State(size, _shape(encoders.get(size) or decoders.get(size)), problems, hints)


def _known_dims(models_dir: Path, sizes: Iterable[str]) -> tuple[dict[str, WhisperDims], dict[str, WhisperDims]]:
    """The dimensions of every half that can be read; the others' problems come from `check_pair`."""
    halves: tuple[dict[str, WhisperDims], dict[str, WhisperDims]] = ({}, {})
    for size in sizes:
        for known, read in zip(halves, (encoder_dims, decoder_dims), strict=True):
            try:
                known[size] = read(models_dir, size)
            except (OSError, ModelFileError):
                continue
    return halves


def _shape(dims: WhisperDims | None) -> str:
    if dims is None:
        return ""
    return (
        f"{dims.n_audio_state} wide, {dims.n_audio_layer}+{dims.n_text_layer} layers, "
        f"{dims.n_mels} mel bins, {dims.n_vocab:,} tokens"
    )


def _derive(models_dir: Path, args: argparse.Namespace) -> int:
    try:
        target = derive_decoder(models_dir, args.size)
    except (ModelFileError, DerivationUnavailable, OSError) as error:
        print(f"wlkd: {error}", file=sys.stderr)
        return 1
    print(f"{target}: written ({target.stat().st_size:,} bytes)")
    for problem in check_pair(models_dir, args.size):
        print(f"{args.size}: not usable yet: {problem}")
    return 0
