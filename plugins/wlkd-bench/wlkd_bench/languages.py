"""Recordings that change language, or do not, made of clips of single languages; and what became of each stretch.

    python -m wlkd_bench.languages make speech/manifest.jsonl mixed --pair en_librispeech_test_clean:zh_aishell
    python -m wlkd_bench.simulate mixed/manifest.jsonl --language auto --language-scope segment --json mixed.json
    python -m wlkd_bench.simulate speech/manifest.jsonl --set zh_aishell ... --json alone.json
    python -m wlkd_bench.languages score mixed/manifest.jsonl mixed.json --alone alone.json

Clips are joined as they are: for `--pair` a stretch of 5 to 20 s of the one set and then one of the other, from the
beginning again where a set is used up; for `--one` each clip of the sets once, shuffled, as a stretch of its own. A
word belongs to the stretch that its middle lies in; a stretch is in the right language when most of its words are. A
false switch is a run of words in another language than their stretch's, however long.
"""

from __future__ import annotations

import argparse
import json
import operator
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.text import text_of
from wlkd.contract.types import Word
from wlkd.sessions.script import Script
from wlkd_bench.clips import Clip, half_of, read_manifest, read_rows, select
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_samples
from wlkd_bench.report import read_document
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


def mixed(sides: Sequence[Sequence[Clip]], seconds: float, dice: random.Random) -> Iterator[list[Clip]]:
    """Turns of the `sides`, which alternate for `seconds` at least."""
    speaking = cycle([turns(clips, dice) for clips in sides])
    while seconds > 0:
        turn = next(next(speaking))
        yield turn
        seconds -= sum(clip.seconds for clip in turn)


def in_pieces(clips: Sequence[Clip], seconds: float, dice: random.Random) -> Iterator[list[list[Clip]]]:
    """All of `clips`, shuffled, in recordings of `seconds` at least, but the last."""
    piece: list[list[Clip]] = []
    for clip in dice.sample(clips, len(clips)):
        piece.append([clip])
        if sum(one.seconds for turn in piece for one in turn) >= seconds:
            yield piece
            piece = []
    if piece:
        yield piece


def recordings(args: argparse.Namespace) -> Iterator[tuple[str, list[list[Clip]]]]:
    """Names, and the turns that each recording is made of."""
    clips = half_of([clip for manifest in args.manifests for clip in read_manifest(manifest)], args.half)
    for pair in args.pair:
        sides = [select(clips, [name]) for name in pair.split(":")]
        yield pair.replace(":", "-"), list(mixed(sides, args.seconds, random.Random(args.seed)))
    if args.one:
        pieces = in_pieces(select(clips, args.one), args.seconds, random.Random(args.seed))
        for number, piece in enumerate(pieces, start=1):
            yield f"{piece[0][0].language}-{number:02}", piece


def make(args: argparse.Namespace) -> None:
    """Write recordings of `--seconds` each, and their manifest."""
    import soundfile

    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, said in recordings(args):
        pieces: list[Any] = []
        stretches: list[Stretch] = []
        at = 0.0
        for turn in said:
            audio = np.concatenate([read_samples(clip) for clip in turn])
            end = at + len(audio) / SAMPLE_RATE
            text = ("" if turn[0].language == "zh" else " ").join(clip.text for clip in turn)
            stretches.append(Stretch(at, end, turn[0].language, text, tuple(clip.id for clip in turn)))
            pieces.append(audio)
            at = end
        soundfile.write(args.out / f"{name}.flac", np.concatenate(pieces), SAMPLE_RATE)
        rows.append(
            {
                "set": "mixed" if args.pair else "one",
                "id": name,
                "path": f"{name}.flac",
                "seconds": at,
                "language": "+".join(dict.fromkeys(stretch.language for stretch in stretches)),
                "text": " ".join(stretch.text for stretch in stretches),
                "stretches": [asdict(stretch) for stretch in stretches],
            }
        )
        print(f"{name}: {at:.0f} s, {len(stretches)} stretches")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (args.out / "manifest.jsonl").write_text(lines, encoding="utf-8")


def errors_of(words: Sequence[dict[str, Any]], language: str, reference: str) -> Errors:
    """The edits between `reference` and what `words` read in one script."""
    said = [Word(word["text"], 0, 0) for word in words]
    written, _ = Script("simplified").write(said, (), language)
    errors, _ = compare(units(reference, language), units(text_of(written), language))
    return errors


@dataclass
class Tally:
    """What became of the stretches of a recording, or of several."""

    seconds: float = 0.0
    stretches: int = 0
    right: int = 0
    """Stretches in the right language."""
    units: int = 0
    edits: int = 0
    edits_alone: int = 0
    false_switches: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(operator.add, astuple(self), astuple(other)))

    def __str__(self) -> str:
        alone = f" ({100 * self.edits_alone / self.units:.1f} % alone)" if self.edits_alone else ""
        return (
            f"{self.seconds / 60:.1f} min, {self.right} of {self.stretches} stretches in the right language, "
            f"{100 * self.edits / self.units:.1f} % errors{alone}, {self.false_switches} false switches"
        )


def tally(
    stretches: Sequence[Stretch], heard: Sequence[dict[str, Any]], alone: dict[str, list[dict[str, Any]]], *, tell: bool
) -> Tally:
    """What became of the `stretches` of a recording in which the words `heard` were recognized; `alone`: the words of
    each clip when that was all of a recording. `tell`: print each stretch."""
    result = Tally(seconds=stretches[-1].end)
    wrong: list[bool] = []
    for stretch in stretches:
        words = [word for word in heard if stretch.start <= (word["start"] + word["end"]) / 2 < stretch.end]
        languages = Counter(word["language"] for word in words)
        wrong += [word["language"] != stretch.language for word in words]
        errors = errors_of(words, stretch.language, stretch.text)
        by_clip = [word for clip in stretch.clips for word in alone.get(clip, [])]
        result += Tally(
            stretches=1,
            right=languages.most_common(1)[:1] == [(stretch.language, languages[stretch.language])],
            units=errors.units,
            edits=errors.total,
            edits_alone=errors_of(by_clip, stretch.language, stretch.text).total if by_clip else 0,
        )
        if tell:
            print(f"  {stretch.start:6.1f} {stretch.language} {dict(languages)} {errors}\n   {stretch.text}")
            print("   " + "".join(word["text"] for word in words))
    result.false_switches = sum(after and not before for before, after in pairwise([False, *wrong]))
    return result


def score(args: argparse.Namespace) -> None:
    """Print what became of the stretches of each recording."""
    heard, alone = (
        {name: words for path in paths for name, words in read_document(path, "words")["words"].items()}
        for paths in (args.results, args.alone)
    )

    def recording(row: dict[str, Any]) -> tuple[str, list[Stretch]]:
        return row["id"], [Stretch(**{**stretch, "clips": tuple(stretch["clips"])}) for stretch in row["stretches"]]

    tallies = []
    for name, stretches in read_rows(args.manifest, recording):
        if name in heard:
            tallies.append(tally(stretches, heard[name], alone, tell=args.verbose))
            print(f"{name}: {tallies[-1]}")
    if len(tallies) > 1:
        print(f"in all: {sum(tallies, Tally())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", help="write recordings")
    making.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    making.add_argument("out", type=Path, metavar="FOLDER")
    what = making.add_mutually_exclusive_group(required=True)
    what.add_argument("--pair", action="append", default=[], metavar="SET:SET", help="sets that alternate; repeatable")
    what.add_argument("--one", action="append", default=[], metavar="SET", help="sets of one language; repeatable")
    making.add_argument("--half", choices=("first", "second", "both"), default="both", help="of the speakers")
    making.add_argument("--seconds", type=float, default=120.0, help="of each recording, at least (default: 120)")
    making.add_argument("--seed", type=int, default=0)
    making.set_defaults(run=make)
    scoring = commands.add_parser("score", help="tell what became of the stretches")
    scoring.add_argument("manifest", type=Path, help="of the recordings")
    scoring.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="what simulate wrote of them")
    scoring.add_argument("--alone", type=Path, action="append", default=[], help="what simulate wrote of the clips")
    scoring.add_argument("-v", "--verbose", action="store_true")
    scoring.set_defaults(run=score)
    args = parser.parse_args()
    with told_plainly():
        args.run(args)


if __name__ == "__main__":
    main()
