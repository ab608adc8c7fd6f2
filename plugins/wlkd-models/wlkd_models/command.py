"""Look at, check, fetch and complete the models folder.

  wlkd models list                  what the folder holds, what fits together, what is missing
  wlkd models verify [NAME...]      read every file and compare it with its known SHA-256
  wlkd models get NAME...           download; resumes, checks, replaces nothing that is right
                                    --source modelscope: look there first, for example in China
  wlkd models derive-decoder SIZE   rebuild a Whisper decoder from the encoder's file, offline

A Whisper model is a pair: faster-whisper-SIZE/ (encoder) and pytorch-whisper-SIZE/SIZE.pt (decoder).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from wlkd.config.document import read_document
from wlkd_models.access import explain
from wlkd_models.family import ModelFamily, families
from wlkd_models.fetch import GetError
from wlkd_models.findings import BAD, Finding

CONFIG = Path("/etc/wlkd.yaml")
DEFAULT_DIR = Path("/data/whisper_models")
SOURCES = ("huggingface", "modelscope", "index")
"""Names of sources (`Source.name`) that `--source` takes: those that have a mirror each for most models."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    known = families()
    parser.set_defaults(families=known)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    show = actions.add_parser("list", help="what the folder holds and what fits together")
    _add_folder(show)
    show.set_defaults(act=_list)

    check = actions.add_parser("verify", help="compare every file with its known SHA-256")
    check.add_argument("names", nargs="*", metavar="NAME", help="default: every model in the folder")
    _add_folder(check)
    check.set_defaults(act=_verify)

    names = [name for family in known.values() for name in family.names()]
    fetch = actions.add_parser("get", help="download models")
    fetch.add_argument("names", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    half = fetch.add_mutually_exclusive_group()
    for part in dict.fromkeys(part for family in known.values() for part in family.parts):
        half.add_argument(f"--{part}-only", dest="part", action="store_const", const=part, help=f"only the {part}")
    fetch.add_argument(
        "--source",
        type=_source,
        default=os.environ.get("WLKD_MODELS_SOURCE") or None,
        metavar="SOURCE",
        help=f"where to look first: {', '.join(SOURCES)}, or the address of a server that has the files in the same "
        "folders as DIR (default: what the environment variable WLKD_MODELS_SOURCE says)",
    )
    _add_folder(fetch)
    fetch.set_defaults(act=_get, part=None)

    for family in known.values():
        family.add_actions(actions)
    for action in actions.choices.values():
        if action.get_default("act") not in (_list, _verify, _get):
            _add_folder(action)


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
        settings = read_document(config.read_text(encoding="utf-8-sig")).values
    except (OSError, UnicodeDecodeError):
        return DEFAULT_DIR
    named = settings.get("models_dir") if isinstance(settings, dict) else None
    return Path(named) if isinstance(named, str) else DEFAULT_DIR


class _FormerName(argparse.Action):
    """Takes `--models` under a name that it had before."""

    def __call__(self, parser: object, namespace: argparse.Namespace, value: object, option: str | None = None) -> None:
        _say(f"wlkd models: {option} is called --models now")
        setattr(namespace, self.dest, value)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        dest="models_dir",
        type=Path,
        metavar="DIR",
        help=f"the models folder (default: models_dir of {CONFIG}, else {DEFAULT_DIR})",
    )
    # Names of before 0.2, in scripts of others.
    parser.add_argument(
        "--models-dir", "--into", dest="models_dir", type=Path, action=_FormerName, help=argparse.SUPPRESS
    )


def _source(text: str) -> str:
    if text not in SOURCES and not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(
            f"{text} is none of {', '.join(SOURCES)}, nor an address with http:// or https://"
        )
    return text


def _list(models_dir: Path, args: argparse.Namespace) -> int:
    known: Mapping[str, ModelFamily] = args.families
    try:
        states = [state for family in known.values() for state in family.states(models_dir)]
    except OSError as error:
        return _no_folder(models_dir, error)
    print(models_dir)
    if not states:
        print(f"  no models; copy them here, or run `wlkd models get NAME --models {models_dir}`")
    width = max((len(state.name) for state in states), default=0) + 2
    for state in states:
        print(f"  {state.name:<{width}}{'not usable' if state.problems else 'ready':<12}{state.shape}".rstrip())
        for sentence in (*state.problems, *state.hints):
            print(f"      {sentence}")
    return 0


def _verify(models_dir: Path, args: argparse.Namespace) -> int:
    known: Mapping[str, ModelFamily] = args.families
    try:
        here = {name: family for family in known.values() for name in family.present(models_dir)}
    except OSError as error:
        return _no_folder(models_dir, error)
    # One that is named and not there is looked for all the same: its files are missing.
    fetchable = {name: family for family in known.values() for name in family.names()}
    wanted = args.names or list(here)
    if unknown := [name for name in wanted if name not in here and name not in fetchable]:
        print(f"wlkd: {models_dir} holds no {', '.join(unknown)}", file=sys.stderr)
        return 1
    if not wanted:
        print(f"wlkd: {models_dir} holds no models", file=sys.stderr)
        return 1
    owners = {name: here.get(name) or fetchable[name] for name in wanted}
    total = sum(family.bytes_to_read(models_dir, name) for name, family in owners.items())
    findings: list[Finding] = []
    with tqdm(total=total, unit="B", unit_scale=True, desc="reading", disable=None, leave=False) as bar:
        for name, family in owners.items():
            bar.set_description(name)
            findings += family.verify(models_dir, name, bar.update)
    for finding in findings:
        detail = f": {finding.detail}" if finding.detail else ""
        print(f"{finding.verdict.value:<12}{finding.path}{detail}")
    bad = [finding for finding in findings if finding.verdict in BAD]
    if bad:
        print(f"{len(bad)} of {len(findings)} files are missing or damaged; copy them again, or `wlkd models get NAME`")
    return 1 if bad else 0


def _get(models_dir: Path, args: argparse.Namespace) -> int:
    known: Mapping[str, ModelFamily] = args.families
    status = 0
    for name in args.names:
        family = next(family for family in known.values() if name in family.names())
        try:
            family.get(name, models_dir, (args.part,) if args.part else family.parts, _say, args.source)
        except GetError as error:
            _say(f"{name} is not complete:\n{error}")
            status = 1
            continue
        except OSError as error:
            _say(f"wlkd: {models_dir}: cannot be written: {error}")
            return 1
        for problem in family.problems(models_dir, name):
            _say(f"{name}: not usable yet: {problem}")
    return status


def _no_folder(models_dir: Path, error: OSError) -> int:
    print(f"wlkd: {explain(models_dir, error)}; another folder is named with --models", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
