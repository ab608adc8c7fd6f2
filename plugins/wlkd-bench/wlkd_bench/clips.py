"""What to stream: clips with their references, listed in a manifest of one JSON object a line."""

from __future__ import annotations

import argparse
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Row = TypeVar("Row")


class ManifestError(Exception):
    """The manifest or a clip cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what is said in it."""

    set: str
    id: str
    path: Path
    seconds: float
    language: str
    """ISO 639-1, or `none` where nobody speaks."""
    text: str
    """The reference; empty: the right answer is nothing."""
    word_ends: tuple[float, ...] = ()
    """Seconds; the end of each word of the normalised reference. Empty where unknown: then no latency."""
    rare_words: tuple[str, ...] = ()
    """Words of the reference that a model may not expect, to be told it as hotwords."""
    speaker: str = ""
    """Who speaks, by whatever name; empty: unknown."""

    @property
    def is_speech(self) -> bool:
        return bool(self.text.strip())


def read_manifest(path: Path) -> list[Clip]:
    """Every clip of the manifest; paths in it are relative to its folder. Raises `ManifestError`."""

    def clip(row: dict[str, Any]) -> Clip:
        return Clip(
            set=str(row["set"]),
            id=str(row["id"]),
            path=path.parent / row["path"],
            seconds=float(row["seconds"]),
            language=str(row["language"]),
            text=str(row["text"]),
            word_ends=tuple(float(end) for end in row.get("word_ends") or ()),
            rare_words=tuple(str(word) for word in row.get("rare_words") or ()),
            speaker=str(row.get("speaker") or ""),
        )

    return read_rows(path, clip)


def read_rows(path: Path, read: Callable[[dict[str, Any]], Row]) -> list[Row]:
    """What `read` makes of each line of a manifest. Raises `ManifestError`, also for a key that `read` misses."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(read(json.loads(line)))
        except KeyError as error:
            raise ManifestError(f"{path}:{number}: the key {error} is missing") from error
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{path}:{number}: {error}") from error
    return rows


def select(clips: Sequence[Clip], sets: Sequence[str] = (), limit: int | None = None) -> list[Clip]:
    """The clips of the named sets (all when none is named), at most `limit` of each, in the manifest's order.

    Raises `ManifestError` for a set that is not there, or when nothing is left.
    """
    known = dict.fromkeys(clip.set for clip in clips)
    if unknown := [name for name in sets if name not in known]:
        raise ManifestError(f"no set {', '.join(unknown)} in the manifest; it has {', '.join(known)}")
    taken: Counter[str] = Counter()
    chosen = []
    for clip in clips:
        if (sets and clip.set not in sets) or (limit is not None and taken[clip.set] >= limit):
            continue
        taken[clip.set] += 1
        chosen.append(clip)
    if not chosen:
        raise ManifestError("the manifest holds no clip to stream")
    return chosen


def half_of(clips: Sequence[Clip], half: str) -> list[Clip]:
    """The clips of one half of the speakers; where a set has one speaker only, of one half of its clips."""
    speakers: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        speakers[clip.set].add(clip.speaker)

    def side(clip: Clip) -> str:
        name = clip.speaker if len(speakers[clip.set]) > 1 else clip.id
        return ("first", "second")[zlib.crc32(name.encode()) % 2]

    return [clip for clip in clips if half in ("both", side(clip))]


def add_choice(parser: argparse.ArgumentParser) -> None:
    """The arguments that `chosen` reads."""
    parser.add_argument("--set", action="append", default=[], dest="sets", help="a set of the manifests; repeatable")
    parser.add_argument("--limit", type=int, help="at most this many clips of each set")
    parser.add_argument("--half", choices=("first", "second", "both"), default="both", help="of the speakers")


def chosen(clips: Sequence[Clip], args: argparse.Namespace) -> list[Clip]:
    """Those of `clips` that the arguments of `add_choice` name. Raises `ManifestError`."""
    return select(half_of(clips, args.half), args.sets, args.limit)
