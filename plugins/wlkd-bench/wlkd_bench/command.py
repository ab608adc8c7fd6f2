"""Measure any /asr server: stream clips at the pace of speech, compare with their references.

  wlkd bench ws://localhost:7100/asr --manifest speech/manifest.jsonl --set en_librispeech_test_clean
  wlkd bench ws://localhost:7100/asr --manifest speech/manifest.jsonl --streams 8 --duration 600 --json out.json

A black-box client: it knows the server's messages and nothing else, so it measures WhisperLiveKit (started with
--pcm-input, or with --format webm) as it measures wlkd. docs/measuring.md says what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from wlkd import __version__
from wlkd_bench.clips import Clip, ManifestError, read_manifest, select
from wlkd_bench.limits import LIMITS, add_limits, missed
from wlkd_bench.pieces import PIECE_SECONDS, Piece, cut, piece_seconds, read_samples
from wlkd_bench.report import document, new_file, table
from wlkd_bench.runner import run
from wlkd_bench.score import score
from wlkd_bench.stream import Target
from wlkd_bench.summary import summarize
from wlkd_bench.text import unaccented


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """An argument type that refuses zero and less."""

    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
        return value

    return parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wlkd bench`."""
    parser.add_argument("url", metavar="URL", help="ws://HOST:PORT/asr")
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="JSON lines, a clip each")
    parser.add_argument("--set", action="append", default=[], metavar="NAME", dest="sets",
                        help="only this set; may be repeated (default: all)")  # fmt: skip
    parser.add_argument("--limit", type=positive(int), metavar="N", help="at most N clips of each set")
    parser.add_argument("--streams", type=positive(int), default=1, metavar="K", help="clips at once (default: 1)")
    parser.add_argument("--duration", type=positive(float), metavar="SECONDS",
                        help="repeat the clips for this many seconds")  # fmt: skip
    parser.add_argument("--pace", type=positive(float), default=1.0,
                        help="seconds of audio sent in a second (default: 1, as people speak)")  # fmt: skip
    parser.add_argument("--format", choices=("pcm", "webm"), default="pcm", help="what is sent (default: pcm)")
    parser.add_argument("--piece", type=piece_seconds, default=PIECE_SECONDS, metavar="SECONDS",
                        help="how much sound is sent at once (default: %(default)s, as by most pages)")  # fmt: skip
    parser.add_argument("--language", default="manifest", metavar="CODE",
                        help="auto, a code for all clips, or each clip's own (default: manifest)")  # fmt: skip
    parser.add_argument("--patience", type=positive(float), default=120.0, metavar="SECONDS",
                        help="give up a stream this many seconds after its audio (default: 120)")  # fmt: skip
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write everything, each clip too")
    add_limits(parser)


def main(args: argparse.Namespace) -> int:
    """0: within all limits; 1: a limit was missed; 2: nothing was measured."""
    try:
        clips = select(read_manifest(args.manifest), args.sets, args.limit)
        pieces = {
            clip: cut(read_samples(clip), args.format, args.piece)
            for clip in tqdm(clips, desc="reading", unit="clip", leave=False, disable=None)
        }
    except ManifestError as error:
        print(f"wlkd bench: {error}", file=sys.stderr)
        return 2
    try:
        return _measure(args, clips, pieces)
    except KeyboardInterrupt:
        return 130


def _measure(args: argparse.Namespace, clips: Sequence[Clip], pieces: Mapping[Clip, Sequence[Piece]]) -> int:
    target = Target(
        args.url,
        encoding=args.format,
        language=args.language,
        token=os.environ.get("WLKD_TOKEN"),
        pace=args.pace,
        patience=args.patience,
    )
    started = time.time()
    total = args.duration * args.streams * args.pace if args.duration else sum(clip.seconds for clip in clips)
    form = "{l_bar}{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    with tqdm(total=total, desc="streaming", bar_format=form, disable=None) as progress:
        recordings = asyncio.run(
            run(target, clips, pieces, streams=args.streams, duration=args.duration, on_sent=progress.update)
        )
    folds = unaccented(clips)
    scores = [score(recording, fold=(recording.clip.set, recording.clip.language) in folds) for recording in recordings]
    summary = summarize(scores)
    limits = {limit.name: vars(args)[limit.name] for limit in LIMITS}
    missing = missed(summary, limits)
    if args.json:
        setup = {
            "wlkd": __version__,
            "url": args.url,
            "started": started,
            "seconds": time.time() - started,
            "manifest": str(args.manifest),
            "sets": args.sets,
            "limit": args.limit,
            "streams": args.streams,
            "duration": args.duration,
            "pace": args.pace,
            "format": args.format,
            "piece": args.piece,
            "language": args.language,
            "limits": limits,
        }
        text = json.dumps(document(scores, setup=setup, limits_missed=missing), ensure_ascii=False, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")
    print(table(scores))
    for sentence in missing:
        print(f"wlkd bench: missed {sentence}", file=sys.stderr)
    if summary.failed + summary.refused == summary.streams:
        print(f"wlkd bench: nothing was measured: {scores[0].failure}", file=sys.stderr)
        return 2
    return 1 if missing else 0
