"""Streams recordings through a backend in virtual time, in this process: error rates and latencies of a setting.

    python -m wlkd_bench.simulate speech/manifest.jsonl --models models --set en_librispeech_test_clean

Clips arrive in pieces of 0.25 s (`--piece`), `--streams` of them side by side. A step is due as in the daemon: after a
chunk of new speech, or at a pause, and the backend is told the time to spare of a worker that takes such steps
(`--spare` tells another). Latency is counted in audio time, as if computing took none, so that a busy machine does not
blur the comparison of settings; the time for computing is given as a ratio to the audio's duration.
`wlkd bench` measures the daemon itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

from prometheus_client import CollectorRegistry

from wlkd import (
    Backend,
    Commit,
    Context,
    Frame,
    Pause,
    RecognitionParams,
    Recognizer,
    Samples,
    SpeechEvent,
    StepPlan,
    Vad,
    VadStream,
)
from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE, samples
from wlkd.contract.types import LanguageScope
from wlkd.inference.backlog import HOLD_SECONDS
from wlkd_bench import simulstream
from wlkd_bench.clips import Clip, add_choice, chosen, read_manifest
from wlkd_bench.components import add_options, component
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import PIECE_SECONDS, piece_seconds, read_audio
from wlkd_bench.report import document, new_file, table
from wlkd_bench.score import ClipScore, score
from wlkd_bench.stream import Event, Recording
from wlkd_bench.text import unaccented, units

logger = logging.getLogger(__name__)

TELLING_SECONDS = 2.0
"""Speech from which on it counts whether the language of a clip was found."""
HELD_SECONDS = 0.5 + HOLD_SECONDS
"""Silence after which a session has held words committed: half a second until the VAD finds a pause, then a hold."""


@dataclass
class Speaker:
    """One clip on its way through a VAD and a recognizer, in pieces of so many `piece` samples."""

    clip: Clip
    piece: int
    audio: Samples
    vad: VadStream
    recognizer: Recognizer
    recording: Recording
    fed: int = 0
    queue: list[SpeechEvent] = field(default_factory=list)
    committed: str = ""
    words: list[dict[str, Any]] = field(default_factory=list)
    speech: int = 0
    """Samples of speech that the recognizer got."""
    held: int | None = None
    """The pause that the last step ended with, and left words tentative; None: it did not."""
    language: str | None = None
    early: int = 0
    """Words that were committed before their stretch of speech ended."""

    @property
    def over(self) -> bool:
        return self.fed == len(self.audio)

    @property
    def tells_language(self) -> bool:
        """Whether it says enough for that."""
        return self.clip.is_speech and self.speech >= samples(TELLING_SECONDS)

    def feed(self) -> None:
        """One more piece."""
        end = min(self.fed + self.piece, len(self.audio))
        self.queue += (
            replace(event, over=False) if isinstance(event, Pause) else event
            for event in self.vad.feed(Frame(self.fed, self.audio[self.fed : end]))
        )
        self.fed = end
        if self.over:
            self.queue += self.vad.finish()

    def due(self, chunk: int) -> bool:
        """Whether there is a chunk of new speech, or a pause; hands the recognizer what comes first."""
        if self.held is not None and not self.queue and (self.over or self.fed - self.held >= samples(HELD_SECONDS)):
            self.queue.append(Pause(self.held))
        fresh = sum(len(event.samples) for event in self.queue if isinstance(event, Frame))
        pauses = [place for place, event in enumerate(self.queue) if isinstance(event, Pause)]
        if not pauses and fresh < chunk:
            return False
        taken = self.queue[: pauses[0] + 1] if pauses else self.queue
        self.queue = self.queue[len(taken) :]
        self.held = None
        for event in taken:
            if isinstance(event, Frame):
                self.recognizer.accept(event)
                self.speech += len(event.samples)
            elif event.over:
                self.recognizer.end_segment(event.at)
            else:
                self.recognizer.pause(event.at)
                self.held = event.at
        return True

    def told(self, commit: Commit) -> None:
        """What a step said."""
        self.held = self.held if commit.tentative else None
        self.language = commit.language or self.language
        self.committed += "".join(word.text for word in commit.words)
        self.early += 0 if commit.segment_end else len(commit.words)
        self.words += [
            {
                "text": word.text,
                "start": word.start / SAMPLE_RATE,
                "end": word.end / SAMPLE_RATE,
                "language": commit.language,
            }
            for word in commit.words
        ]
        tentative = "".join(word.text for word in commit.tentative)
        at = self.fed / SAMPLE_RATE
        self.recording.events.append(Event(at, self.committed, tentative, at - commit.until / SAMPLE_RATE))


@dataclass(frozen=True)
class Simulation:
    """A backend, a VAD, and how they are driven."""

    backend: Backend
    vad: Vad
    streams: int
    chunk_seconds: float
    language: str
    hotwords: bool
    spare: float = 1.0
    """The worker's time to spare, 0 to 1."""
    language_scope: LanguageScope = "session"
    languages: tuple[str, ...] = ()
    """Those that detection may choose; empty: all that the model knows."""
    piece_seconds: float = PIECE_SECONDS

    def run(self, clips: Sequence[Clip]) -> Iterator[tuple[Speaker, float]]:
        """Each clip's speaker when it is over, and the seconds of computing since the one before."""
        waiting = list(clips)
        speaking: list[Speaker] = []
        spent = 0.0
        while waiting or speaking:
            while waiting and len(speaking) < self.streams:
                speaking.append(self._open(waiting.pop(0)))
            for speaker in speaking:
                if not speaker.over:
                    speaker.feed()
            while due := [speaker for speaker in speaking if speaker.due(samples(self.chunk_seconds))]:
                began = time.perf_counter()
                commits = self.backend.run([StepPlan(speaker.recognizer, self.spare) for speaker in due])
                spent += time.perf_counter() - began
                for speaker, commit in zip(due, commits, strict=True):
                    speaker.told(commit)
            for speaker in [speaker for speaker in speaking if speaker.over]:
                speaking.remove(speaker)
                speaker.recording.audio_end = len(speaker.audio) / SAMPLE_RATE
                yield speaker, spent
                spent = 0.0

    def _open(self, clip: Clip) -> Speaker:
        language = {"manifest": clip.language if clip.is_speech else None, "auto": None}.get(
            self.language, self.language
        )
        hotwords = clip.rare_words if self.hotwords else ()
        if language is not None and language not in self.backend.languages():
            language = None
        recognizer = self.backend.open(
            RecognitionParams(
                language=language, languages=self.languages, language_scope=self.language_scope, hotwords=hotwords
            )
        )
        piece = samples(self.piece_seconds)
        return Speaker(clip, piece, read_audio(clip), self.vad.open(), recognizer, Recording(clip, 0.0))


@dataclass
class Results:
    """What became of the clips that are over."""

    scores: list[ClipScore] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    words: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each clip, by its id."""
    languages_right: list[bool] = field(default_factory=list)
    """Of each clip that says enough."""
    early: int = 0
    """Words that were committed before their stretch of speech ended."""
    spent: float = 0.0
    """Seconds of computing."""

    def add(self, speaker: Speaker, seconds: float, *, fold: bool) -> None:
        """`speaker` is over, `seconds` of computing after the one before; `fold`: see `score`."""
        self.scores.append(score(speaker.recording, fold=fold))
        self.recordings.append(speaker.recording)
        self.words[speaker.clip.id] = speaker.words
        if speaker.tells_language:
            self.languages_right.append(speaker.language == speaker.clip.language)
        self.early += speaker.early
        self.spent += seconds

    @property
    def audio_seconds(self) -> float:
        return sum(one.clip.seconds for one in self.scores)

    def document(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Everything, for machines. `options`: of the backend."""
        setup = {"options": dict(options), "ratio": self.spent / self.audio_seconds}
        return document(self.scores, setup=setup, limits_missed=[]) | {"words": self.words}

    def __str__(self) -> str:
        right, audio = self.languages_right, self.audio_seconds
        heard, wanted = rare_words_heard(self.scores)
        words = sum(map(len, self.words.values()))
        return (
            f"{table(self.scores)}\n\n"
            f"language right: {sum(right)} of {len(right)} clips with {TELLING_SECONDS:g} s of speech or more\n"
            f"rare words recognized: {heard} of {wanted}\n"
            f"committed before their stretch of speech ended: {self.early} of {words} words\n"
            f"computing {self.spent:.1f} s for {audio:.1f} s of audio: ratio {self.spent / audio:.3f}"
        )


def spare_at(chunk_seconds: float) -> float:
    """The time to spare of a worker with the default options whose steps have this much new speech."""
    options = WorkerOptions()
    span = options.max_chunk_seconds - options.min_chunk_seconds
    return min(max(1 - (chunk_seconds - options.min_chunk_seconds) / span, 0.0), 1.0)


def rare_words_heard(scores: Iterable[ClipScore]) -> tuple[int, int]:
    """How many of the rare words that the manifest lists are somewhere in what was heard, and of how many."""
    heard, wanted = 0, 0
    for one in scores:
        said = set(units(one.hypothesis, one.clip.language))
        heard += sum(said.issuperset(units(word, one.clip.language)) for word in one.clip.rare_words)
        wanted += len(one.clip.rare_words)
    return heard, wanted


def tell_mistakes(speaker: Speaker, scored: ClipScore, *, verbose: bool) -> None:
    """Print that a clip was taken for another language; `verbose`: also the text of one with errors."""
    clip = speaker.clip
    if speaker.tells_language and speaker.language != clip.language:
        print(f"{clip.set}/{clip.id}: {clip.language} was taken for {speaker.language}")
    if verbose and scored.errors is not None and scored.errors.total:
        print(f"{clip.id}: {scored.errors}\n  {clip.text}\n {speaker.committed}")


async def simulate(args: argparse.Namespace) -> None:
    """Run, and print the table; with --json write everything, after each clip what there is so far."""
    registry = CollectorRegistry()
    ctx = Context(args.models, registry, logger.info)
    options = dict(args.option)
    # The manifests first: a mistake in them should not wait for the model.
    clips = chosen([clip for manifest in args.manifests for clip in read_manifest(manifest)], args)
    backend = cast(Backend, await component("backend", args.backend, options, ctx))
    vad = cast(Vad, await component("vad", args.vad, {}, ctx))
    backend.warm_up()
    spare = spare_at(args.chunk) if args.spare is None else args.spare
    languages = tuple(filter(None, args.languages.split(",")))
    simulation = Simulation(
        backend,
        vad,
        args.streams,
        args.chunk,
        args.language,
        args.hotwords,
        spare,
        args.language_scope,
        languages,
        piece_seconds=args.piece,
    )
    folded = unaccented(clips)
    results = Results()
    busy = time.process_time()
    for speaker, seconds in simulation.run(clips):
        results.add(speaker, seconds, fold=(speaker.clip.set, speaker.clip.language) in folded)
        tell_mistakes(speaker, results.scores[-1], verbose=args.verbose)
        if args.json:
            args.json.write_text(json.dumps(results.document(options), ensure_ascii=False))
    print(results)
    busy = time.process_time() - busy
    print(f"processor time, with the VAD: {busy:.1f} s: {busy / results.audio_seconds:.3f} of a core for a stream")
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name.startswith("wlkd_simulstreaming") and not sample.name.endswith("_created"):
                print(f"{sample.name}{sample.labels or ''} {sample.value:.1f}")
    if args.simulstream:
        simulstream.write(results.recordings, args.simulstream)
    await backend.close()
    await vad.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the models folder")
    parser.add_argument("--backend", default="simulstreaming")
    parser.add_argument("--vad", default="silero")
    add_choice(parser)
    parser.add_argument("--streams", type=int, default=1, help="clips side by side, in one batch")
    parser.add_argument(
        "--piece",
        type=piece_seconds,
        metavar="SECONDS",
        default=PIECE_SECONDS,
        help="seconds of sound that arrive at once (default: %(default)s, as from most pages)",
    )
    parser.add_argument(
        "--chunk",
        type=float,
        default=WorkerOptions().min_chunk_seconds,
        help="seconds of new speech that make a step (default: %(default)s, as in an idle daemon)",
    )
    parser.add_argument("--spare", type=float, help="the worker's time to spare, 0 to 1")
    parser.add_argument("--language", default="manifest", help="manifest, auto, or a code for all")
    parser.add_argument("--languages", default="", metavar="CODES", help="for auto: choose among these, as in en,zh")
    parser.add_argument("--language-scope", choices=get_args(LanguageScope), default="session", help="for auto")
    parser.add_argument("--hotwords", action="store_true", help="give each clip its rare words")
    add_options(parser)
    parser.add_argument("--json", type=new_file, help="write everything here")
    parser.add_argument("--simulstream", type=Path, metavar="FOLDER", help="write a log for simulstream's scorers here")
    parser.add_argument("-v", "--verbose", action="store_true", help="print clips with errors")
    args = parser.parse_args()
    with told_plainly():
        asyncio.run(simulate(args))


if __name__ == "__main__":
    main()
