"""Where silence and a turn detector end turns: how many they cut off at a pause, and how late they notice an end.

    python -m wlkd_bench.turns speech/more.jsonl --models models --set en_paused

Every clip is a turn, with silence behind it. Its pauses are those that the VAD hears; a rule that ends the turn at one
of them cuts it off. A pause lasts from the end of speech, as the VAD tells it, until it notices speech again: meanwhile
a server has only silence. The delay at the end is counted in the same way, in audio time, without the time for judging.
To choose a setting, measure on one half of the speakers and confirm it on the other (`--half`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from prometheus_client import CollectorRegistry

from wlkd import Context, Frame, Pause, Samples, TurnDetector, Vad
from wlkd.contract.audio import samples, seconds
from wlkd.sessions.hearing import TURN_SILENCE
from wlkd.transports.turns import LIKELY, UNSURE_SECONDS
from wlkd_bench.clips import Clip, add_choice, chosen, read_manifest
from wlkd_bench.components import component
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_audio
from wlkd_bench.report import grid, new_file
from wlkd_bench.summary import interval

logger = logging.getLogger(__name__)

FEED = 512
"""Samples at a time: a frame of the VAD, so that its delay is its own."""
AFTER_SECONDS = 5.0
"""Silence behind each clip."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence in a turn, or behind it."""

    clip: str
    told_seconds: float
    """After how much of it the VAD told it."""
    length_seconds: float | None
    """None: the turn is over."""
    turn_over: float
    """The detector's judgement."""
    judging_seconds: float


@dataclass(frozen=True, slots=True)
class Rule:
    """Ends a turn after `silence_seconds`, or after `unsure_seconds` where the detector does not think it over."""

    name: str
    silence_seconds: float
    likely: float = 0.0
    unsure_seconds: float = 0.0

    def ends_after(self, one: Silence) -> float:
        sure = one.turn_over >= self.likely
        return max(self.silence_seconds if sure else self.unsure_seconds, one.told_seconds)

    def cuts_off(self, one: Silence) -> bool:
        return one.length_seconds is not None and self.ends_after(one) <= one.length_seconds


def silences(clip: str, audio: Samples, vad: Vad, detector: TurnDetector) -> Iterator[Silence]:
    """Of one turn, in order; `audio` is speech with silence behind it."""
    stream = vad.open()
    told: tuple[int, int, float, float] | None = None
    for start in range(0, len(audio), FEED):
        fed = min(start + FEED, len(audio))
        for event in stream.feed(Frame(start, audio[start:fed])):
            if isinstance(event, Pause):
                began = time.perf_counter()
                turn_over = detector.judge(audio[: event.at + TURN_SILENCE][-detector.samples :])
                told = (event.at, fed, turn_over, time.perf_counter() - began)
            elif told is not None:
                yield _silence(clip, told, fed)
                told = None
    if told is not None:
        yield _silence(clip, told, None)


def _silence(clip: str, told: tuple[int, int, float, float], end: int | None) -> Silence:
    at, fed, turn_over, judging = told
    length = None if end is None else seconds(end - at)
    return Silence(clip, seconds(fed - at), length, turn_over, judging)


def table(found: Sequence[Silence], rules: Sequence[Rule]) -> str:
    """A row for each rule."""
    pauses = [one for one in found if one.length_seconds is not None]
    ends = [one for one in found if one.length_seconds is None]
    rows = []
    for rule in rules:
        cut = [rule.cuts_off(one) for one in pauses]
        low, high = interval([("", one.clip) for one in pauses], np.array(cut, int), np.ones(len(cut), int))
        delays = [rule.ends_after(one) for one in ends]
        share = f"{sum(cut)} of {len(cut)} ({low:.0f} to {high:.0f} %)"
        rows.append((rule.name, share, f"{statistics.mean(delays):.2f} s", f"{statistics.median(delays):.2f} s"))
    headings = ("rule", "turns cut off at a pause (95 %)", "delay at the end, mean", "median")
    judging = statistics.median(one.judging_seconds for one in found)
    return f"{grid(headings, rows)}\n\n{len(ends)} turns; a judgement took {judging:.3f} s, median"


async def measure(args: argparse.Namespace) -> None:
    """Print the table; with --json write every silence."""
    clips = [clip for manifest in args.manifests for clip in read_manifest(manifest)]
    clips = chosen(clips, args)
    ctx = Context(args.models, CollectorRegistry(), logger.info)
    vad = cast(Vad, await component("vad", args.vad, {}, ctx))
    detector = cast(TurnDetector, await component("turn_detector", args.detector, {}, ctx))
    found = [one for clip in clips for one in silences(clip.id, with_silence(clip), vad, detector)]
    rules = [Rule(f"silence of {length:g} s", length) for length in args.silence or (0.5, 0.8, 1.0, 1.2, 1.5)]
    for likely in args.likely or (LIKELY,):
        rules.append(Rule(f"{args.detector} from {likely:g}, else {args.unsure:g} s", 0.0, likely, args.unsure))
    print(table(found, rules))
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    await vad.close()
    await detector.close()


def with_silence(clip: Clip) -> Samples:
    return np.concatenate([read_audio(clip), np.zeros(samples(AFTER_SECONDS), np.float32)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the models folder")
    parser.add_argument("--vad", default="silero")
    parser.add_argument("--detector", default="smart-turn")
    add_choice(parser)
    parser.add_argument("--silence", type=float, action="append", help="a rule of silence, in seconds; repeatable")
    parser.add_argument("--likely", type=float, action="append", help="a rule of the detector: its least judgement")
    parser.add_argument("--unsure", type=float, default=UNSURE_SECONDS, help="silence that ends any turn, in seconds")
    parser.add_argument("--json", type=new_file, help="write every silence here")
    args = parser.parse_args()
    with told_plainly():
        asyncio.run(measure(args))


if __name__ == "__main__":
    main()
