"""Uploaded files against faster-whisper: the same weights, the same clips, by turns in the same process.

    python -m wlkd_bench.uploads speech/manifest.jsonl speech/more.jsonl --models models --half second

Each clip is heard by the backend as an upload, behind the VAD as in the daemon, and by faster-whisper's `transcribe`
with a beam of five, with and without its VAD. Per set: error rates, their differences with 95 % intervals (as in
`python -m wlkd_bench.compare`), and how many times as fast as faster-whisper the backend is, in seconds and in CPU
seconds, which a busy machine distorts less. faster-whisper comes with wlkd-localagreement.

To choose settings on one half of the speakers and to confirm them on the other there is `--half`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry
from tqdm import tqdm

from wlkd import Backend, Context, Frame, RecognitionParams, Samples, StepPlan, Vad
from wlkd.contract.audio import samples
from wlkd_bench.clips import Clip, add_choice, chosen, read_manifest
from wlkd_bench.compare import Difference, Pair, difference, pairs_of
from wlkd_bench.components import add_options, component
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import read_audio
from wlkd_bench.report import document, grid
from wlkd_bench.score import ClipScore, score
from wlkd_bench.stream import heard_whole
from wlkd_bench.text import unaccented

Listener = Callable[[Clip, Samples], str]
"""What turns a clip into text."""
OURS, PLAIN, WITH_VAD = "wlkd", "faster-whisper", "faster-whisper with VAD"


@dataclass(frozen=True)
class Cost:
    """What it took."""

    wall: float
    cpu: float
    """CPU time of all threads."""


class Upload:
    """Hears clips as the daemon hears files."""

    def __init__(self, backend: Backend, vad: Vad) -> None:
        self._backend = backend
        self._vad = vad
        self._most = samples(backend.upload_seconds or 3.0)

    def __call__(self, clip: Clip, audio: Samples) -> str:
        params = RecognitionParams(language=_language(clip, self._backend.languages()), priority="upload")
        plan = StepPlan(self._backend.open(params), upload=True)
        vad = self._vad.open()
        text, fresh = "", 0
        for event in (*vad.feed(Frame(0, audio)), *vad.finish()):
            if not isinstance(event, Frame):
                plan.recognizer.end_segment(event.at)
                if self._backend.upload_seconds is None:
                    text += self._step(plan)
                continue
            for at in range(0, len(event.samples), self._most):
                part = event.samples[at : at + self._most]
                if fresh + len(part) > self._most:
                    text += self._step(plan)
                    fresh = 0
                plan.recognizer.accept(Frame(event.start + at, part))
                fresh += len(part)
        return text + self._step(plan)

    def _step(self, plan: StepPlan) -> str:
        return "".join(word.text for commit in self._backend.run([plan]) for word in commit.words)


def faster_whisper(folder: Path, compute_type: str, threads: int) -> dict[str, Listener]:
    """Its two ways."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type=compute_type, cpu_threads=threads)
    known = frozenset(model.supported_languages)

    def listen(clip: Clip, audio: Samples, *, vad: bool) -> str:
        segments, _ = model.transcribe(audio, language=_language(clip, known), beam_size=5, vad_filter=vad)
        return "".join(segment.text for segment in segments)

    return {
        PLAIN: lambda clip, audio: listen(clip, audio, vad=False),
        WITH_VAD: lambda clip, audio: listen(clip, audio, vad=True),
    }


def _language(clip: Clip, known: frozenset[str]) -> str | None:
    return clip.language if clip.is_speech and clip.language in known else None


def in_turns(
    clips: Sequence[Clip], listeners: dict[str, Listener]
) -> Iterator[tuple[Clip, dict[str, tuple[str, Cost]]]]:
    """Each clip by every listener, each of them first in turn."""
    names = list(listeners)
    for number, clip in enumerate(tqdm(clips, unit="clip", disable=None)):
        audio = read_audio(clip)
        first = number % len(names)
        heard = {}
        for name in names[first:] + names[:first]:
            wall, cpu = time.perf_counter(), time.process_time()
            text = listeners[name](clip, audio)
            heard[name] = text, Cost(time.perf_counter() - wall, time.process_time() - cpu)
        yield clip, heard


def sets_in_turn(clips: Sequence[Clip]) -> list[Clip]:
    """The first of each set, the second of each, and so on."""
    sets: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        sets[clip.set].append(clip)
    return [clip for row in itertools.zip_longest(*sets.values()) for clip in row if clip is not None]


def table(scores: dict[str, list[ClipScore]], costs: dict[str, dict[str, list[Cost]]]) -> str:
    """A row for each set and one for all that are counted in words."""
    documents = {name: document(members, setup={}, limits_missed=[]) for name, members in scores.items()}
    others = [name for name in documents if name != OURS]
    pairs = {name: list(pairs_of(documents[OURS], documents[name])) for name in others}
    sets = list(dict.fromkeys(score.clip.set for score in scores[OURS]))
    words = {pair.set for pair in pairs[others[0]] if pair.unit == "word"}
    rows = [_row(name, {name}, pairs, scores, costs) for name in sets]
    if len(words) > 1:
        rows.append(_row("all, words", words, pairs, scores, costs))
    headings = ["set", "clips", f"{OURS} %"]
    for name in others:
        headings += [f"{name} %", "difference (95 %)", "times as fast, wall / CPU"]
    return grid(tuple(headings), rows)


def _row(
    name: str,
    sets: set[str],
    pairs: dict[str, list[Pair]],
    scores: dict[str, list[ClipScore]],
    costs: dict[str, dict[str, list[Cost]]],
) -> tuple[str, ...]:
    members = {other: [pair for pair in found if pair.set in sets] for other, found in pairs.items()}
    clips = sum(score.clip.set in sets for score in scores[OURS])
    row = [name, str(clips)]
    ours = [cost for member in sets for cost in costs[OURS][member]]
    for other, found in members.items():
        theirs = [cost for member in sets for cost in costs[other][member]]
        result = difference(found) if found else None
        if len(row) == 2:
            row.append(f"{result.first:.1f}" if result else _spurious(scores[OURS], sets))
        row.append(f"{result.second:.1f}" if result else _spurious(scores[other], sets))
        row.append(_bounds(result) if result else "")
        wall = sum(cost.wall for cost in theirs) / sum(cost.wall for cost in ours)
        cpu = sum(cost.cpu for cost in theirs) / sum(cost.cpu for cost in ours)
        row.append(f"{wall:.2f} / {cpu:.2f}")
    return tuple(row)


def _bounds(one: Difference) -> str:
    return f"{one.points:+.1f} ({one.low:+.1f} to {one.high:+.1f})" if one.clips > 1 else f"{one.points:+.1f}"


def _spurious(scores: Sequence[ClipScore], sets: set[str]) -> str:
    return f"{sum(score.spurious_words for score in scores if score.clip.set in sets)} words"


async def compare(args: argparse.Namespace, clips: Sequence[Clip]) -> None:
    """Hear everything, and print the table; with --json write a file for each listener."""
    ctx = Context(args.models, CollectorRegistry(), lambda text: print(text, file=sys.stderr))
    options: dict[str, Any] = {"model": args.model, "threads": args.threads, **dict(args.option)}
    backend = cast("Backend[Any]", await component("backend", args.backend, options, ctx))
    vad = cast("Vad[Any]", await component("vad", "silero", {}, ctx))
    listeners: dict[str, Listener] = {OURS: Upload(backend, vad)}
    listeners |= faster_whisper(args.models / f"faster-whisper-{args.model}", "int8", args.threads)
    folds = unaccented(clips)
    scores: dict[str, list[ClipScore]] = {name: [] for name in listeners}
    costs: dict[str, dict[str, list[Cost]]] = {name: defaultdict(list) for name in listeners}
    for listen in listeners.values():  # Who is asked first loads, and takes memory.
        listen(clips[0], read_audio(clips[0]))
    until = time.monotonic() + 60 * args.minutes
    for clip, heard in in_turns(sets_in_turn(clips), listeners):
        for name, (text, cost) in heard.items():
            scores[name].append(score(heard_whole(clip, text), fold=(clip.set, clip.language) in folds))
            costs[name][clip.set].append(cost)
        if args.verbose:
            _tell_differences(clip, {name: scores[name][-1] for name in listeners})
        if time.monotonic() > until:
            break
    print(table(scores, costs))
    if args.json:
        args.json.mkdir(parents=True, exist_ok=True)
        for name, members in scores.items():
            text = json.dumps(
                document(members, setup={"listener": name}, limits_missed=[]), ensure_ascii=False, indent=1
            )
            (args.json / f"{name.replace(' ', '-')}.json").write_text(text + "\n", encoding="utf-8")
    await backend.close()
    await vad.close()


def _tell_differences(clip: Clip, scores: dict[str, ClipScore]) -> None:
    errors = {name: score.errors.total if score.errors else score.spurious_words for name, score in scores.items()}
    if len(set(errors.values())) > 1:
        print(f"{clip.set}/{clip.id}: {clip.text}")
        for name, one in scores.items():
            print(f"  {errors[name]:3d} {name}: {one.hypothesis.strip()}", flush=True)


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    root.add_argument("--models", type=Path, default=Path("models"), help="the models folder")
    root.add_argument("--model", default="base")
    root.add_argument("--backend", default="simulstreaming")
    add_choice(root)
    root.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this many minutes; take a clip of each set in turn"
    )
    root.add_argument("--threads", type=int, default=2, help="CPU threads of every listener (default: 2)")
    add_options(root)
    root.add_argument("--json", type=Path, metavar="DIR", help="write a file for each listener here")
    root.add_argument("-v", "--verbose", action="store_true", help="also what was said where errors differ")
    return root


def main() -> None:
    args = parser().parse_args()
    with told_plainly():
        clips = chosen([clip for manifest in args.manifests for clip in read_manifest(manifest)], args)
        asyncio.run(compare(args, clips))


if __name__ == "__main__":
    main()
