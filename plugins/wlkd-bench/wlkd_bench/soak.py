"""Does anything grow? A daemon of its own, and clients that come, go, crash and stall, for as long as you like.

  .venv/bin/python -m wlkd_bench.soak --minutes 60 --clients 8 -- --config etc/wlkd.yaml --set models_dir=$PWD/models

Arguments behind `--` go to `wlkd run`. The clients say what is in --speech (a folder of FLAC or WAV files at 16 kHz),
or vowels that hardly any VAD takes for speech. Status 1: memory grew by more than --growth percent after the first
sixth of the time (ten minutes of an hour), or threads or descriptors were left behind, or a client was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wlkd.inference.capacity import made_up_speech
from wlkd_bench.crowd import Crowd
from wlkd_bench.daemon import RunningProcess, daemon
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.process import MIB, Usage, cpu_share, usage
from wlkd_bench.stopping import run_to_its_end

SETTLE_SECONDS = 15.0
"""For the last sessions to be closed and their threads to end, before and after."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8, help="places, each taken by one client after the other")
    parser.add_argument("--pace", type=float, default=1.0, help="seconds of audio sent in a second")
    parser.add_argument("--speech", type=Path, metavar="FOLDER", help="what the clients say")
    parser.add_argument("--growth", type=float, default=3.0, metavar="PERCENT")
    parser.add_argument(
        "--every",
        type=float,
        default=7.0,
        metavar="SECONDS",
        help="how often to look; not in step with the 20 s in which the daemon gives memory back (default: 7)",
    )
    parser.add_argument("daemon", nargs="*", help="arguments of wlkd run")
    return parser.parse_args()


def speech(folder: Path | None) -> bytes:
    """16-bit samples at 16 kHz; some minutes are enough."""
    if folder is None:
        samples = made_up_speech(60.0)
    else:
        import soundfile

        files = sorted(path for path in folder.iterdir() if path.suffix in (".flac", ".wav"))[:20]
        samples = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in files])
    return (samples * 32767).astype("<i2").tobytes()


def tell(minute: float, now: Usage, before: Usage, open_sessions: float) -> None:
    tqdm.write(
        f"{minute:7.1f} min  {now.resident_bytes / MIB:8.1f} MiB  {cpu_share(before, now):5.2f} cores  "
        f"{now.threads:3d} threads  {now.descriptors:3d} descriptors  {open_sessions:3.0f} sessions"
    )


async def watch(process: RunningProcess, seconds: float, every: float) -> list[Usage]:
    """One usage every so often, told as they come."""
    seen = [usage(process.pid)]
    with tqdm(total=round(seconds), unit="s", disable=None) as progress:
        while (passed := seen[-1].at - seen[0].at) < seconds:
            await asyncio.sleep(min(every, seconds - passed))
            seen.append(usage(process.pid))
            metrics = await process.metrics()
            open_sessions = sum(value for name, value in metrics.items() if name.startswith("wlkd_sessions_open"))
            tell((seen[-1].at - seen[0].at) / 60, seen[-1], seen[-2], open_sessions)
            progress.update(round(seen[-1].at - seen[0].at) - progress.n)
    return seen


async def soak(args: argparse.Namespace) -> int:
    seconds = 60 * args.minutes
    async with daemon(args.daemon) as process:
        print(f"ready after {process.start_seconds:.1f} s")
        await asyncio.sleep(2)
        before = usage(process.pid)
        crowd = Crowd(process.asr, speech(args.speech), args.clients, args.pace)
        visits = asyncio.create_task(crowd.visit(seconds))
        seen = await watch(process, seconds, args.every)
        await visits
        await asyncio.sleep(SETTLE_SECONDS)
        after = usage(process.pid)
        tell(args.minutes, after, seen[-1], 0)
        metrics = await process.metrics()
    for end, count in sorted(crowd.ends.items()):
        print(f"{count:6d}  {end}")
    print(f"event loop late by more than 50 ms: {late(metrics)} of {delays(metrics)} times")
    wrong = list(complaints(args.growth, before, after, seen, crowd.ends))
    for sentence in wrong:
        print(f"soak: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def delays(metrics: dict[str, float]) -> int:
    return round(metrics["wlkd_event_loop_delay_seconds_count"])


def late(metrics: dict[str, float]) -> int:
    return delays(metrics) - round(metrics['wlkd_event_loop_delay_seconds_bucket{le="0.05"}'])


def complaints(growth: float, before: Usage, after: Usage, seen: list[Usage], ends: Counter[str]) -> list[str]:
    """What must not be."""
    began, ended = seen[0].at, seen[-1].at
    sixth = (ended - began) / 6
    early = [one.resident_bytes for one in seen if sixth <= one.at - began <= 2 * sixth]
    late_ones = [one.resident_bytes for one in seen if ended - one.at <= sixth]
    told = []
    if early and late_ones:
        # Means of stretches: a single look catches the daemon at its fattest, or its leanest.
        percent = 100 * (statistics.fmean(late_ones) / statistics.fmean(early) - 1)
        print(f"memory in the last sixth against the second: {percent:+.1f} %")
        if percent > growth:
            told.append(f"memory grew by {percent:.1f} %")
    # A pool starts its threads when they are needed, and keeps them.
    if after.threads > before.threads + 8:
        told.append(f"{after.threads} threads at the end, {before.threads} at the beginning")
    if after.descriptors > before.descriptors + 2:
        told.append(f"{after.descriptors} descriptors at the end, {before.descriptors} at the beginning")
    told.extend(f"{count} times {end}" for end, count in ends.items() if end.endswith("lost"))
    return told


if __name__ == "__main__":
    args = arguments()
    with told_plainly():
        sys.exit(run_to_its_end(soak(args)))
