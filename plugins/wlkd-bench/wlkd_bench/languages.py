"""Recordings that change language, made of clips of single languages; and what became of each stretch.

    python -m wlkd_bench.languages make speech/manifest.jsonl mixed --pair en_librispeech_test_clean:zh_aishell
    python -m wlkd_bench.simulate mixed/manifest.jsonl --language auto --language-scope segment --json mixed.json
    python -m wlkd_bench.simulate speech/manifest.jsonl --set zh_aishell ... --json alone.json
    python -m wlkd_bench.languages score mixed/manifest.jsonl mixed.json --alone alone.json

Clips are joined as they are, a stretch of 5 to 20 s of the one set and then one of the other. A word belongs to the
stretch that its middle lies in; a stretch is in the right language when most of its words are.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.text import text_of
from wlkd.contract.types import Word
from wlkd.sessions.script import Script
from wlkd_bench.clips import Clip, read_manifest, select
from wlkd_bench.pieces import read_samples
from wlkd_bench.score import Errors, compare
from wlkd_bench.text import units

SHORTEST_SECONDS, LONGEST_SECONDS = 5.0, 20.0


@dataclass(frozen=True)
class Stretch:
    """One language's turn in a recording."""

    start: float
    end: float
    language: str
    text: str
    clips: tuple[str, ...]


def turns(clips: Sequence[Clip], dice: random.Random) -> Iterator[list[Clip]]:
    """`clips` in their order, cut into turns; without end, from the beginning again."""
    turn: list[Clip] = []
    wanted = dice.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
    for clip in cycle(clips):
        turn.append(clip)
        if sum(one.seconds for one in turn) >= wanted - clip.seconds / 2:
            yield turn
            turn, wanted = [], dice.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)


def make(args: argparse.Namespace) -> None:
    """Write recordings of `--seconds` each, and their manifest."""
    import soundfile

    everything = read_manifest(args.manifest)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in args.pair:
        dice = random.Random(args.seed)
        sides = [turns(select(everything, [name]), dice) for name in pair.split(":")]
        pieces: list[Any] = []
        stretches: list[Stretch] = []
        at = 0.0
        for side in cycle(sides):
            turn = next(side)
            audio = np.concatenate([read_samples(clip) for clip in turn])
            end = at + len(audio) / SAMPLE_RATE
            text = ("" if turn[0].language == "zh" else " ").join(clip.text for clip in turn)
            stretches.append(Stretch(at, end, turn[0].language, text, tuple(clip.id for clip in turn)))
            pieces.append(audio)
            at = end
            if at >= args.seconds:
                break
        name = pair.replace(":", "-")
        soundfile.write(args.out / f"{name}.flac", np.concatenate(pieces), SAMPLE_RATE)
        rows.append(
            {
                "set": "mixed",
                "id": name,
                "path": f"{name}.flac",
                "seconds": at,
                "language": "+".join(dict.fromkeys(stretch.language for stretch in stretches)),
                "text": " ".join(stretch.text for stretch in stretches),
                "stretches": [asdict(stretch) for stretch in stretches],
            }
        )
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (args.out / "manifest.jsonl").write_text(lines, encoding="utf-8")


def errors_of(words: Sequence[dict[str, Any]], language: str, reference: str) -> Errors:
    """The edits between `reference` and what `words` read in one script."""
    said = [Word(word["text"], 0, 0) for word in words]
    written, _ = Script("simplified").write(said, (), language)
    errors, _ = compare(units(reference, language), units(text_of(written), language))
    return errors


def score(args: argparse.Namespace) -> None:
    """Print what became of the stretches of each recording."""
    heard: dict[str, list[dict[str, Any]]] = json.loads(args.result.read_text())["words"]
    alone: dict[str, list[dict[str, Any]]] = {}
    for path in args.alone:
        alone |= json.loads(path.read_text())["words"]
    for line in args.manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        stretches = [Stretch(**{**stretch, "clips": tuple(stretch["clips"])}) for stretch in row["stretches"]]
        right, edits, edits_alone, count, changes = 0, 0, 0, 0, 0
        for stretch in stretches:
            words = [
                word for word in heard[row["id"]] if stretch.start <= (word["start"] + word["end"]) / 2 < stretch.end
            ]
            languages = [word["language"] for word in words]
            most = Counter(languages).most_common(1)
            right += bool(most) and most[0][0] == stretch.language
            changes += sum(before != after for before, after in pairwise(languages))
            errors = errors_of(words, stretch.language, stretch.text)
            edits, count = edits + errors.total, count + errors.units
            if alone:
                by_clip = [word for clip in stretch.clips for word in alone[clip]]
                edits_alone += errors_of(by_clip, stretch.language, stretch.text).total
            if args.verbose:
                print(f"  {stretch.start:6.1f} {stretch.language} {languages} {errors}\n   {stretch.text}")
                print("   " + "".join(word["text"] for word in words))
        beside = f", {100 * edits_alone / count:.1f} % alone" if alone else ""
        print(
            f"{row['id']}: {right} of {len(stretches)} stretches in the right language, "
            f"{100 * edits / count:.1f} % errors{beside}, {changes} changes inside stretches"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", help="write recordings")
    making.add_argument("manifest", type=Path)
    making.add_argument("out", type=Path, metavar="FOLDER")
    making.add_argument("--pair", action="append", required=True, metavar="SET:SET", help="sets to join; repeatable")
    making.add_argument("--seconds", type=float, default=120.0, help="of each recording, at least (default: 120)")
    making.add_argument("--seed", type=int, default=0)
    making.set_defaults(run=make)
    scoring = commands.add_parser("score", help="tell what became of the stretches")
    scoring.add_argument("manifest", type=Path, help="of the recordings")
    scoring.add_argument("result", type=Path, help="what simulate wrote of them")
    scoring.add_argument("--alone", type=Path, action="append", default=[], help="what simulate wrote of the clips")
    scoring.add_argument("-v", "--verbose", action="store_true")
    scoring.set_defaults(run=score)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
