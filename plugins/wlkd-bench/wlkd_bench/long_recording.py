"""Does a long recording stay right, and cheap? A daemon of its own hears an hour of joined clips as one recording.

  .venv/bin/python -m wlkd_bench.long_recording --manifest speech/manifest.jsonl --minutes 60 \\
      -- --config etc/wlkd.yaml --set models_dir=$PWD/models

Arguments behind `--` go to `wlkd run`. Clips of the first one's language that have `word_ends` in the manifest are
taken, and taken again when they are too few. For each stretch: what a second of audio cost, the share of words that
were heard right, and by how much the times of their ends were off. Status 1: words' times off by more than --max-off
in the median, or a stretch of more than --max-lost words in a row that was not heard.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd.contract.types import Word
from wlkd_bench.clips import Clip, ManifestError, read_manifest, select
from wlkd_bench.daemon import daemon
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import cut_pcm, read_samples
from wlkd_bench.process import MIB, Usage, usage
from wlkd_bench.score import compare
from wlkd_bench.stopping import run_to_its_end
from wlkd_bench.stream import Recording, Target, stream_clip
from wlkd_bench.text import units

GAP_SECONDS = 0.5
"""Silence between two clips: less than a speaker's pause between paragraphs."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of the reference."""

    text: str
    end: float


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], dest="sets", help="a set of the manifest; repeatable")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the recording")
    parser.add_argument("--stretch", type=float, default=10.0, metavar="MINUTES", help="one row of the table")
    parser.add_argument("--pace", type=float, default=1.0, help="seconds of audio sent in a second")
    parser.add_argument("--max-off", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--max-lost", type=int, default=12, metavar="WORDS")
    parser.add_argument("daemon", nargs="*", help="arguments of wlkd run")
    return parser.parse_args()


def join(clips: Sequence[Clip], length: float) -> tuple[NDArray[np.int16], list[Spoken]]:
    """16-bit samples at 16 kHz, about `length` seconds of them, and what is said in them."""
    parts: list[NDArray[np.int16]] = []
    spoken: list[Spoken] = []
    at = 0
    for clip in itertools.cycle(clips):
        words = units(clip.text, clip.language)
        samples = read_samples(clip)
        spoken += [Spoken(word, seconds(at) + end) for word, end in zip(words, clip.word_ends, strict=True)]
        parts += [samples, np.zeros(round(GAP_SECONDS * SAMPLE_RATE), np.int16)]
        at += len(parts[-2]) + len(parts[-1])
        if seconds(at) >= length:
            return np.concatenate(parts), spoken
    raise AssertionError("cycles for ever")


async def say(
    samples: NDArray[np.int16], clip: Clip, target: Target, pid: int, every: float
) -> tuple[Recording, list[Usage]]:
    """Stream the recording; the daemon's usage at the beginning, after each `every` seconds of it, and at the end."""
    seen = [usage(pid)]
    sent = 0.0
    with tqdm(total=round(clip.seconds), unit="s", disable=None) as progress:

        def on_sent(duration: float) -> None:
            nonlocal sent
            sent += duration
            progress.update(round(sent) - progress.n)
            if sent >= every * len(seen):
                seen.append(usage(pid))

        began = asyncio.get_running_loop().time()
        recording = await stream_clip(target, clip, cut_pcm(samples), run_began=began, on_sent=on_sent)
    return recording, [*seen, usage(pid)]


def heard_units(words: Sequence[Word], language: str) -> list[Spoken]:
    """What was heard, normalised like the reference; NaN for the end of what several words make ("twenty one")."""
    text = "".join(word.text for word in words)
    alone = [Spoken(unit, seconds(word.end)) for word in words for unit in units(word.text, language)]
    whole = units(text, language)
    _, same = compare(whole, [one.text for one in alone])
    ends = {place: alone[other].end for place, other in same}
    return [Spoken(unit, ends.get(place, math.nan)) for place, unit in enumerate(whole)]


def lost(places: Sequence[int], count: int) -> int:
    """The most words in a row, of `count`, that are not among `places`."""
    return max(after - before - 1 for before, after in itertools.pairwise([-1, *places, count]))


def rows(
    spoken: Sequence[Spoken],
    heard: Sequence[Spoken],
    same: Sequence[tuple[int, int]],
    seen: Sequence[Usage],
    every: float,
    length: float,
) -> Iterator[str]:
    """The table. `same`: places of words that agree; `seen`: usage after each `every` seconds of `length`."""
    pairs = dict(same)
    for number, (before, after) in enumerate(itertools.pairwise(seen)):
        start, stop = number * every, min((number + 1) * every, length)
        places = [place for place, word in enumerate(spoken) if start <= word.end < stop]
        if not places:
            continue
        right = [place for place in places if place in pairs]
        off = offsets(spoken, heard, [(place, pairs[place]) for place in right])
        yield (
            f"{start / 60:5.0f}-{stop / 60:3.0f}  {(after.cpu_seconds - before.cpu_seconds) / (stop - start):9.3f}  "
            f"{100 * len(right) / len(places):7.1f}  {statistics.median(off) if off else math.nan:9.2f}  "
            f"{after.resident_bytes / MIB:6.0f}"
        )


def offsets(spoken: Sequence[Spoken], heard: Sequence[Spoken], pairs: Sequence[tuple[int, int]]) -> list[float]:
    """By how much the ends of the words that agree are off, in seconds."""
    off = (abs(heard[other].end - spoken[place].end) for place, other in pairs)
    return [one for one in off if not math.isnan(one)]


async def measure(args: argparse.Namespace) -> int:
    timed = [clip for clip in select(read_manifest(args.manifest), args.sets) if clip.word_ends]
    if not timed:
        raise ManifestError(f"{args.manifest}: no clip of these sets has word_ends")
    clips = [clip for clip in timed if clip.language == timed[0].language]
    samples, spoken = join(clips, 60 * args.minutes)
    language, every, length = clips[0].language, 60 * args.stretch, seconds(len(samples))
    clip = Clip("joined", "joined", args.manifest, length, language, " ".join(word.text for word in spoken))
    async with daemon(args.daemon) as process:
        await asyncio.sleep(3)  # the self-test
        target = Target(process.asr, pace=args.pace)
        recording, seen = await say(samples, clip, target, process.pid, every)
        metrics = await process.metrics()
    if recording.failure is not None:
        print(f"long_recording: {recording.failure}", file=sys.stderr)
        return 1
    heard = heard_units(recording.words, language)
    errors, same = compare([word.text for word in spoken], [word.text for word in heard])
    if not same:
        print("long_recording: no word was recognized correctly", file=sys.stderr)
        return 1
    print("minutes  CPU s / s  right %  off, s p50  MiB")
    print("\n".join(rows(spoken, heard, same, seen, every, length)))
    off = statistics.median(offsets(spoken, heard, same))
    longest = lost([place for place, _ in same], len(spoken))
    print(
        f"{length / 60:.1f} minutes, {errors.units} words: {100 * errors.total / errors.units:.2f} % of errors ", end=""
    )
    print(f"({errors.substitutions} other, {errors.deletions} missing, {errors.insertions} too many); ", end="")
    print(f"word ends off by {off:.2f} s in the median; at most {longest} words in a row not recognized")
    for name, value in sorted(metrics.items()):
        if name.startswith("wlkd_simulstreaming_guards_total") and value:
            print(f"{value:.0f} {name}")
    return 1 if off > args.max_off or longest > args.max_lost else 0


if __name__ == "__main__":
    args = arguments()
    with told_plainly():
        sys.exit(run_to_its_end(measure(args)))
