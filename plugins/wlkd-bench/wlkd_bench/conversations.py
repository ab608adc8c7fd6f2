"""Makes conversations of single clips, to measure how well speakers are told apart. The same seed makes the same ones.

  python -m wlkd_bench.conversations speech/manifest.jsonl made/ --set en_librispeech_test_clean --speakers 3 --count 4
  python -m wlkd_bench.conversations speech/manifest.jsonl alone/ --set zh_aishell --speakers 1 --seconds 600

Clips are cut at pauses into utterances; people take turns, 15 % of the changes overlap. `--back` keeps one speaker
silent but for the first and the last minute. The manifest `conversations.jsonl` has who speaks when, and each word's
times where the clips have `word_ends`; else every half second of speech counts as a word. With `word_ends` it also has
the text, in the order in which the words begin, so that it is a manifest for `python -m wlkd_bench.simulate` and
`python -m wlkd_bench.uploads` too: how well overlapping speech is recognized.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from wlkd_bench.clips import ManifestError, read_rows
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.text import units

RATE = 16_000
STEP = RATE // 100
Samples = NDArray[np.float32]

QUIET_DB = 35.0
"""Below the loudest moment of a clip: silence."""
SHORTEST_PAUSE, SHORTEST_SPEECH = 18, 12
"""Steps of 10 ms; a shorter dip is part of a word, a shorter sound is none."""
OVERLAPS = 0.15
STAYS = 0.3
"""Share of utterances after which the same person goes on."""
LEVEL_DBFS = -23.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one person says in one go; times in seconds from its start."""

    speaker: str
    samples: Samples
    spoken: Sequence[tuple[float, float]]
    words: Sequence[tuple[float, float]]
    text: Sequence[str]
    """Of each word, normalised."""


def utterances(manifest: Path, row: dict[str, Any], longest: float) -> Iterator[Utterance]:
    """The clip in pieces of at most about `longest` seconds, cut in its pauses."""
    samples, rate = soundfile.read(manifest.parent / row["path"], dtype="float32")
    assert rate == RATE, f"{row['path']} has {rate} Hz"
    ends = [float(end) for end in row.get("word_ends") or ()]
    words = list(zip([0.0, *ends[:-1]], ends, units(row["text"], row["language"]), strict=True)) if ends else []
    piece: list[tuple[float, float]] = []
    runs = spoken_runs(samples)
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        piece.append(run)
        if following is None or following[1] - piece[0][0] > longest:
            yield _cut(row["speaker"], samples, piece, words)
            piece = []


def spoken_runs(samples: Samples) -> list[tuple[float, float]]:
    """Where somebody speaks, in seconds, by loudness."""
    frames = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    loud = level > level.max() - QUIET_DB
    runs: list[list[int]] = []
    for place in np.flatnonzero(loud).tolist():
        if runs and place - runs[-1][1] < SHORTEST_PAUSE:
            runs[-1][1] = place + 1
        else:
            runs.append([place, place + 1])
    return [(start / 100, end / 100) for start, end in runs if end - start >= SHORTEST_SPEECH]


def _cut(
    speaker: str, samples: Samples, runs: Sequence[tuple[float, float]], words: Sequence[tuple[float, float, str]]
) -> Utterance:
    first, last = runs[0][0], runs[-1][1]
    sound = samples[round(first * RATE) : round(last * RATE)]
    loudness = 10 * np.log10((sound**2).mean() + 1e-10)
    inside = [word for word in words if first <= (word[0] + word[1]) / 2 <= last]
    return Utterance(
        speaker,
        np.asarray(sound * 10 ** ((LEVEL_DBFS - loudness) / 20), np.float32),
        [(start - first, end - first) for start, end in runs],
        [(max(start, first) - first, end - first) for start, end, _ in inside],
        [text for _, _, text in inside],
    )


class Conversation:
    """Utterances on one time line."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._placed: list[tuple[float, Utterance]] = []
        self.end = 0.0

    def add(self, utterance: Utterance) -> None:
        """Somebody speaks next."""
        before = self._placed[-1][1].speaker if self._placed else utterance.speaker
        if before != utterance.speaker and self._random.random() < OVERLAPS:
            start = max(self.end - self._random.uniform(0.3, 1.0), 0.0)
        else:
            start = self.end + self._random.uniform(0.1, 1.2)
        self._placed.append((start, utterance))
        self.end = max(self.end, start + len(utterance.samples) / RATE)

    @property
    def samples(self) -> Samples:
        mixed = np.zeros(round((self.end + 1) * RATE), np.float32)
        for start, utterance in self._placed:
            at = round(start * RATE)
            mixed[at : at + len(utterance.samples)] += utterance.samples
        return mixed

    def row(self) -> dict[str, Any]:
        """Its references, for a manifest."""
        segments, words, text = [], [], []
        for start, utterance in self._placed:
            segments += [[round(start + a, 3), round(start + b, 3), utterance.speaker] for a, b in utterance.spoken]
            timed = utterance.words or [half for run in utterance.spoken for half in _halves(run)]
            words += [[round(start + a, 3), round(start + b, 3), utterance.speaker] for a, b in timed]
            text += [(start + a, word) for (a, _), word in zip(utterance.words, utterance.text, strict=True)]
        speakers = sorted({utterance.speaker for _, utterance in self._placed})
        said = {"text": " ".join(word for _, word in sorted(text))} if text else {}
        return {"speakers": speakers, "segments": sorted(segments), "words": sorted(words), **said}


def _halves(run: tuple[float, float]) -> Iterator[tuple[float, float]]:
    for start in np.arange(run[0], run[1] - 0.25, 0.5).tolist():
        yield start, min(start + 0.5, run[1])


def talk(
    people: dict[str, list[Utterance]], random: np.random.Generator, seconds: float, *, back: bool
) -> Conversation:
    """`people` speak in random turns; a speaker who has said everything begins anew. `back`: see the module."""
    conversation, names = Conversation(random), list(people)
    queues: dict[str, list[Utterance]] = {name: [] for name in names}
    speaker = names[0]
    while conversation.end < seconds:
        away = back and len(names) > 1 and 60 < conversation.end < seconds - 60
        present = names[1:] if away else names
        if speaker not in present or random.random() > STAYS:
            speaker = str(random.choice([name for name in present if name != speaker] or present))
        if not queues[speaker]:
            queues[speaker] = [people[speaker][place] for place in random.permutation(len(people[speaker]))]
        conversation.add(queues[speaker].pop())
    return conversation


def in_a_room(samples: Samples, random: np.random.Generator, echo: float, noise_db: float) -> Samples:
    """With an echo of `echo` seconds (RT60) and white noise `noise_db` below the speech."""
    if echo:
        length = round(echo * RATE)
        tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        tail *= 0.5 / np.sqrt((tail**2).sum())
        tail[0] = 1.0
        size = 1 << (len(samples) + length).bit_length()
        wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
        samples = np.asarray(wet * np.sqrt((samples**2).mean() / (wet**2).mean()), np.float32)
    if np.isfinite(noise_db):
        power = np.sqrt((samples**2).mean()) * 10 ** (-noise_db / 20)
        samples = samples + np.asarray(random.standard_normal(len(samples)) * power, np.float32)
    return samples


def over_the_telephone(samples: Samples) -> Samples:
    """What a telephone network leaves: 8,000 samples a second in the steps of mu-law (ITU-T G.711), up to 3400 Hz, and
    12 dB less an octave below 300 Hz. A sharp edge there, or steps at 16,000 samples, would not sound like a telephone:
    voice detection misses most of such speech."""
    length = len(samples) // 2 * 2
    spectrum = np.fft.rfft(samples[:length])
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    spectrum *= (hertz <= 3400) / np.sqrt(1 + (300 / np.maximum(hertz, 1)) ** 4)
    narrow = np.fft.irfft(spectrum[: length // 4 + 1] / 2, length // 2).clip(-1, 1)
    steps = np.round(np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    narrow = np.sign(narrow) * np.expm1(steps * np.log(256)) / 255
    return np.asarray(np.fft.irfft(2 * np.fft.rfft(narrow), length), np.float32)


def make(arguments: argparse.Namespace) -> None:
    clips: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def keep(row: dict[str, Any]) -> None:
        if row["set"] in arguments.sets:
            clips[row["speaker"]].append(row)

    read_rows(arguments.manifest, keep)
    if len(clips) < arguments.speakers:
        raise ManifestError(f"the sets have {len(clips)} speakers, and {arguments.speakers} are wanted")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (arguments.folder / "conversations.jsonl").open("w", encoding="utf-8") as manifest:
        for number in range(arguments.count):
            random = np.random.default_rng([arguments.seed, number])
            chosen = random.permutation(sorted(clips))[: arguments.speakers].tolist()
            people = {
                name: [one for row in clips[name] for one in utterances(arguments.manifest, row, arguments.longest)]
                for name in chosen
            }
            conversation = talk(people, random, arguments.seconds, back=arguments.back)
            samples = in_a_room(conversation.samples, random, arguments.echo, arguments.noise)
            if arguments.phone:
                samples = over_the_telephone(samples)
            name = f"{number:02}_{arguments.speakers}.flac"
            soundfile.write(arguments.folder / name, samples / max(1.0, float(np.abs(samples).max())), RATE)
            head = {"set": arguments.folder.name, "id": name.removesuffix(".flac"), "path": name}
            language = clips[chosen[0]][0]["language"]
            row = {**head, "seconds": round(len(samples) / RATE, 2), "language": language, **conversation.row()}
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(f"{arguments.folder / name}: {row['seconds']:.0f} s, {', '.join(row['speakers'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="clips, a JSON object a line")
    parser.add_argument("folder", type=Path, help="where the conversations go; its name is that of the set")
    parser.add_argument("--set", action="append", required=True, dest="sets", help="a set of clips; repeatable")
    parser.add_argument("--speakers", type=int, default=2)
    parser.add_argument("--count", type=int, default=1, help="conversations")
    parser.add_argument("--seconds", type=float, default=100.0, help="about this many seconds each")
    parser.add_argument("--longest", type=float, default=5.0, help="seconds of an utterance, as far as pauses allow")
    parser.add_argument("--back", action="store_true", help="one speaker is away but for the first and last minute")
    parser.add_argument("--echo", type=float, default=0.0, help="RT60 of the room, seconds")
    parser.add_argument("--noise", type=float, default=float("inf"), help="decibels below the speech")
    parser.add_argument("--phone", action="store_true", help="as it sounds over a telephone")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with told_plainly():
        make(args)


if __name__ == "__main__":
    main()
