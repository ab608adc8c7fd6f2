"""Look at, check, fetch and complete the models folder.

  wlkd models list                  what the folder holds, what fits together, what is missing
  wlkd models verify [SIZE...]      read every file and compare it with its known SHA-256
  wlkd models get SIZE...           download; resumes, checks, replaces nothing that is right
  wlkd models derive-decoder SIZE   rebuild the decoder from the encoder's file, offline

A size is a pair: faster-whisper-SIZE/ (encoder) and pytorch-whisper-SIZE/SIZE.pt (decoder).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml
from tqdm import tqdm

from wlkd_whisper.catalogue import MODELS
from wlkd_whisper.derivation import DerivationUnavailable, derive_decoder
from wlkd_whisper.dims import ModelFileError, WhisperDims
from wlkd_whisper.folder import contents, decoder_file, encoder_dir, explain, private_paths, sizes_in
from wlkd_whisper.pairs import check_pair, decoder_dims, encoder_dims
from wlkd_whisper.verify import BAD, bytes_to_read, verify

CONFIG = Path("/etc/wlkd.yaml")
DEFAULT_DIR = Path("/data/whisper_models")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    show = actions.add_parser("list", help="what the folder holds and what fits together")
    _add_folder(show)
    show.set_defaults(act=_list)

    check = actions.add_parser("verify", help="compare every file with its known SHA-256")
    check.add_argument("sizes", nargs="*", metavar="SIZE", help="default: every size in the folder")
    _add_folder(check)
    check.set_defaults(act=_verify)

    fetch = actions.add_parser("get", help="download models")
    fetch.add_argument("sizes", nargs="+", choices=MODELS, metavar="SIZE", help=", ".join(MODELS))
    half = fetch.add_mutually_exclusive_group()
    half.add_argument("--encoder-only", action="store_true", help="only faster-whisper-SIZE")
    half.add_argument("--decoder-only", action="store_true", help="only pytorch-whisper-SIZE")
    _add_folder(fetch, "--into")
    fetch.set_defaults(act=_get)

    derive = actions.add_parser("derive-decoder", help="rebuild pytorch-whisper-SIZE from faster-whisper-SIZE")
    derive.add_argument("size", metavar="SIZE")
    _add_folder(derive)
    derive.set_defaults(act=_derive)


def main(args: argparse.Namespace) -> int:
    try:
        status: int = args.act(args.models_dir or default_dir(), args)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python must not complain about it once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `wlkd models get` goes on from here next time", file=sys.stderr)
        return 130
    return status


def default_dir(config: Path = CONFIG) -> Path:
    """`models_dir` of the daemon's configuration; without one, where WhisperLiveKit's images keep models.

    A configuration that cannot be used is `wlkd check`'s business, not ours.
    """
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return DEFAULT_DIR
    named = settings.get("models_dir") if isinstance(settings, dict) else None
    return Path(named) if isinstance(named, str) else DEFAULT_DIR


def _add_folder(parser: argparse.ArgumentParser, *names: str) -> None:
    parser.add_argument(
        *names,
        "--models-dir",
        dest="models_dir",
        type=Path,
        metavar="DIR",
        help=f"the models folder (default: models_dir of {CONFIG}, else {DEFAULT_DIR})",
    )


def _sizes(models_dir: Path) -> list[str] | None:
    try:
        return sizes_in(models_dir)
    except OSError as error:
        print(explain(models_dir, error), file=sys.stderr)
        return None


def _list(models_dir: Path, _: argparse.Namespace) -> int:
    sizes = _sizes(models_dir)
    if sizes is None:
        return 1
    print(models_dir)
    if not sizes:
        print(f"  no models; copy them here, or run `wlkd models get SIZE --into {models_dir}`")
    encoders, decoders = _known_dims(models_dir, sizes)
    for size in sizes:
        problems = check_pair(models_dir, size)
        state = "ready" if not problems else "not usable"
        print(f"  {size:<16}{state:<12}{_shape(encoders.get(size) or decoders.get(size))}")
        partner = next((other for other, dims in decoders.items() if dims == encoders.get(size)), None)
        if problems and partner not in (None, size):
            problems.append(f"{decoder_file(models_dir, str(partner))} would fit this encoder")
        unfinished = [
            path for folder in _folders(models_dir, size) for path in contents(folder) if path.suffix == ".part"
        ]
        problems += [f"{path}: a download that stopped; `wlkd models get {size}` goes on" for path in unfinished]
        private = private_paths(models_dir, size)
        problems += [f"{path}: other users cannot read it; `chmod -R a+rX {path}`" for path in private]
        for problem in problems:
            print(f"      {problem}")
    return 0


def _folders(models_dir: Path, size: str) -> tuple[Path, Path]:
    return encoder_dir(models_dir, size), decoder_file(models_dir, size).parent


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


def _verify(models_dir: Path, args: argparse.Namespace) -> int:
    sizes = args.sizes or _sizes(models_dir)
    if not sizes:
        return 1
    total = sum(bytes_to_read(models_dir, size) for size in sizes)
    findings = []
    with tqdm(total=total, unit="B", unit_scale=True, desc="reading", disable=None, leave=False) as bar:
        for size in sizes:
            bar.set_description(size)
            findings += verify(models_dir, size, bar.update)
    for finding in findings:
        detail = f": {finding.detail}" if finding.detail else ""
        print(f"{finding.verdict.value:<12}{finding.path}{detail}")
    bad = [finding for finding in findings if finding.verdict in BAD]
    if bad:
        print(f"{len(bad)} of {len(findings)} files are missing or damaged; copy them again, or `wlkd models get SIZE`")
    return 1 if bad else 0


def _get(models_dir: Path, args: argparse.Namespace) -> int:
    # The downloader is imported here and nowhere else.
    from wlkd_whisper.get import GetError, get

    status = 0
    for size in args.sizes:
        try:
            get(size, models_dir, encoder=not args.decoder_only, decoder=not args.encoder_only, say=_say)
        except GetError as error:
            _say(f"{size} is not complete:\n{error}")
            status = 1
            continue
        except OSError as error:
            _say(f"wlkd: {models_dir}: cannot be written: {error}")
            return 1
        for problem in check_pair(models_dir, size):
            _say(f"{size}: not usable yet: {problem}")
    return status


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


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
