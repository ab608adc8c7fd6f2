"""How far is the translation behind the transcript, what does it cost, and does it hurt the words? A daemon of its own.

  .venv/bin/python -m wlkd_bench.translation --manifest speech/manifest.jsonl --set en_librispeech_long \\
      --set en_ljspeech_long --target pt --streams 1 4 --seconds 60 -- --config translating.yaml

Each number of streams is tried without and with translation, by turns, with the same clips at the pace of speech, the
first --seconds of each. Arguments behind `--` go to `wlkd run`.

  words     from the end of a word in the sound to its being committed, seconds: median and 95th percentile
  behind    from a sentence's last word to its translation, at the client
  cores     processors that the daemon keeps busy
  drafts    translations of unfinished sentences that were shown, per minute of a stream
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wlkd.client import connect
from wlkd.client.asr import Transcript
from wlkd.contract.audio import seconds
from wlkd_bench.clips import Clip, read_manifest, select
from wlkd_bench.daemon import RunningProcess, daemon
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import Piece, cut, read_samples
from wlkd_bench.process import cpu_share, usage
from wlkd_bench.stopping import run_to_its_end

STAGGER_SECONDS = 0.37
"""Between the first sounds of two streams: people do not begin to speak in unison."""


@dataclass(slots=True)
class Watch:
    """What one stream's client sees, and when. Times are seconds after its first sound."""

    words: list[float] = field(default_factory=list)
    """How late each word was."""
    behind: list[float] = field(default_factory=list)
    """How late each translation was, after its last word."""
    drafts: int = 0
    untranslated: int = 0
    """Notes that sentences stay without."""
    _committed: list[tuple[int, float]] = field(default_factory=list)
    """Where each word ends, and when it came."""
    _told: set[tuple[int, int]] = field(default_factory=set)
    _draft: str = ""

    def take(self, update: Transcript, at: float) -> None:
        for word in update.new_words:
            self.words.append(at - seconds(word.end))
            self._committed.append((word.end, at))
        for sentence in (one for line in update.lines for one in line.translations):
            if (sentence.start, sentence.end) not in self._told:
                self._told.add((sentence.start, sentence.end))
                came = max((when for end, when in self._committed if end <= sentence.end), default=at)
                self.behind.append(at - came)
        if update.tentative_translation not in ("", self._draft):
            self.drafts += 1
        self._draft = update.tentative_translation
        self.untranslated = sum(note.code == "untranslated" for note in update.notes)


async def speak(url: str, pieces: Sequence[Piece], wishes: Mapping[str, str]) -> Watch:
    """Stream one clip. Raises `ClientError`."""
    watch, clock = Watch(), asyncio.get_running_loop().time
    async with connect(url, pcm=True, wishes=wishes) as stream:
        zero = clock()

        async def send() -> None:
            for piece in pieces:
                await asyncio.sleep(zero + piece.end - clock())
                await stream.send(piece.data)
            await stream.end_audio()

        sending = asyncio.create_task(send())
        try:
            async for update in stream.updates():
                watch.take(update, clock() - zero)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return watch


@dataclass(slots=True)
class Turn:
    """What was seen of so many streams, with or without translation."""

    watches: list[Watch] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    minutes: float = 0.0

    def row(self, streams: int, translated: bool) -> str:
        words = [late for watch in self.watches for late in watch.words]
        behind = [late for watch in self.watches for late in watch.behind]
        drafts = sum(watch.drafts for watch in self.watches) / max(self.minutes, 1e-9)
        told = f"{spread(behind)}  {drafts:6.1f}" if translated else ""
        kind = "translated" if translated else "plain"
        return f"{streams:7}  {kind:10}  {spread(words)}  {statistics.mean(self.cores):5.2f}  {told}"


def spread(values: Sequence[float]) -> str:
    """Median and 95th percentile."""
    if len(values) < 2:
        return f"{'-':>6} {'-':>6}"
    return f"{statistics.median(values):6.2f} {statistics.quantiles(values, n=20)[-1]:6.2f}"


async def try_out(
    process: RunningProcess,
    clips: Sequence[Clip],
    pieces: Mapping[Clip, Sequence[Piece]],
    streams: int,
    duration: float,
    wishes: Mapping[str, str],
    turn: Turn,
) -> None:
    """`streams` at once for about so many seconds: a clip that was begun is finished. Raises `ClientError`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + duration
    queue = itertools.cycle(clips)

    async def lane(number: int) -> None:
        await asyncio.sleep(number * STAGGER_SECONDS)
        while loop.time() < until:
            clip = next(queue)
            turn.watches.append(await speak(process.asr, pieces[clip], {"language": clip.language, **wishes}))
            turn.minutes += pieces[clip][-1].end / 60

    before = usage(process.pid)
    await asyncio.gather(*(lane(number) for number in range(streams)))
    turn.cores.append(cpu_share(before, usage(process.pid)))


def beginning(pieces: Sequence[Piece], seconds: float) -> Sequence[Piece]:
    """The first so many seconds."""
    return [piece for piece in pieces if piece.end <= seconds]


async def measure(args: argparse.Namespace) -> int:
    clips = select(read_manifest(args.manifest), args.sets, args.limit)
    pieces = {clip: beginning(cut(read_samples(clip), "pcm"), args.seconds) for clip in clips}
    most = ["--set", f"sessions.max_sessions={max(args.streams) + 1}"]
    async with daemon([*args.daemon, *most]) as process:
        print("streams  what        words:50   95%  cores  behind:50  95%  drafts")
        for streams in args.streams:
            turns: dict[bool, Turn] = defaultdict(Turn)
            for _ in range(args.rounds):
                for translated in (False, True):
                    wishes = {"target_language": args.target} if translated else {}
                    await try_out(process, clips, pieces, streams, args.seconds, wishes, turns[translated])
            for translated, turn in turns.items():
                print(turn.row(streams, translated), flush=True)
        metrics = await process.metrics()
    lost = [f"wlkd_translation_{name}_total" for name in ("failures", "skipped")]
    print("; ".join(f"{name} {metrics[name]:g}" for name in lost))
    return 1 if any(metrics[name] for name in lost) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="JSON lines, a clip each")
    parser.add_argument("--set", action="append", default=[], metavar="NAME", dest="sets", help="only this set")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each set")
    parser.add_argument("--target", default="pt", metavar="CODE", help="language to translate into (default: pt)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4], metavar="K", help="at once (default: 1 4)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each turn (default: 60)")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each kind (default: 1)")
    parser.add_argument("daemon", nargs="*", help="arguments of wlkd run")
    return parser.parse_args()


def main() -> int:
    """1: sentences were left untranslated; 2: nothing was measured."""
    args = arguments()
    with told_plainly():
        return run_to_its_end(measure(args))


if __name__ == "__main__":
    sys.exit(main())
