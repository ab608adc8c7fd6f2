"""How well does a server tell speakers apart? Streams conversations to `/asr?diarize=true` and scores the first labels.

  python -m wlkd_bench.diarization ws://localhost:7100/asr --manifest conversations.jsonl --streams 4
  python -m wlkd_bench.diarization http://localhost:7100 --manifest conversations.jsonl --upload

A conversation is a line of the manifest with `segments` and `words`: lists of [start, end, speaker], in seconds. All is
measured on words as they are first told with a speaker, which is for good: the share of words with the right speaker,
and the diarization error rate of turns made by joining the words of one speaker. That rate is told twice: `DER` against
`segments`, which is where there is sound, and `DER w` against the times of the true words, where the true words
themselves have none: the last sound of a word may go on for a while after what an aligner takes for its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from wlkd import Word
from wlkd.client import connect
from wlkd.contract.audio import seconds
from wlkd_bench.clips import Clip, ManifestError, read_rows
from wlkd_bench.der import DiarizationErrors, Turn, best_mapping, diarization_errors
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.pieces import cut, read_samples
from wlkd_bench.report import new_file

JOINED_SECONDS = 0.3
"""A shorter gap between two words of one speaker is part of his turn, as in NIST's evaluations (Rich Transcription)."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording, and who says what in it when."""

    name: str
    path: Path
    seconds: float
    language: str
    segments: Sequence[Turn]
    words: Sequence[Turn]

    @property
    def speakers(self) -> set[str]:
        return {turn.speaker for turn in self.segments}


@dataclass(frozen=True, slots=True)
class Told:
    """A word as it came, with its speaker."""

    word: Turn
    delay: float | None = None
    """Seconds from when it was final to when it had its speaker; None: it came with all others."""
    also: str | None = None
    """Somebody else whom it is spoken over."""


def told_of(word: Word, delay: float | None) -> Told:
    """`word` with its speakers, for scoring."""
    also = None if word.also_speaker is None else str(word.also_speaker)
    return Told(Turn(seconds(word.start), seconds(word.end), str(word.speaker)), delay, also)


@dataclass(frozen=True, slots=True)
class Result:
    """One conversation's figures."""

    conversation: Conversation
    errors: DiarizationErrors
    strict: DiarizationErrors
    """Without a collar."""
    by_words: DiarizationErrors
    """Against the times of the true words."""
    right: int
    """Words of the reference with the right speaker."""
    clear: int
    """Words of the reference that nobody else speaks over."""
    clear_right: int
    found: int
    """Speakers told."""
    delays: Sequence[float]
    told: Sequence[Told]
    """Every word with its speaker, as it came."""


def read_conversations(path: Path, sets: Sequence[str]) -> list[Conversation]:
    """Those of the manifest, or of its named sets. Raises `ManifestError`."""

    def conversation(row: dict[str, Any]) -> Conversation | None:
        if sets and row["set"] not in sets:
            return None
        return Conversation(
            f"{row['set']}/{row['id']}",
            path.parent / row["path"],
            float(row["seconds"]),
            row["language"],
            [Turn(*turn) for turn in row["segments"]],
            [Turn(*word) for word in row["words"]],
        )

    found = [one for one in read_rows(path, conversation) if one is not None]
    if not found:
        raise ManifestError(f"{path}: holds no conversation{' of these sets' if sets else ''}")
    return found


async def stream(url: str, conversation: Conversation, pace: float) -> list[Told]:
    """Send it at the pace of speech; every word with its speaker."""
    clip = Clip("", conversation.name, conversation.path, conversation.seconds, conversation.language, "")
    pieces = cut(read_samples(clip), "pcm")
    wishes = {"diarize": "true", "words": "true", "language": conversation.language}
    told: list[Told] = []
    final_at: list[tuple[int, float]] = []  # Characters that were final, and when.
    async with connect(url, pcm=True, wishes=wishes) as server:

        async def send() -> None:
            began = time.monotonic()
            for piece in pieces:
                await asyncio.sleep(began + piece.end / pace - time.monotonic())
                await server.send(piece.data)
            await server.end_audio()

        sending = asyncio.create_task(send())
        characters = 0
        async for update in server.updates():
            now = time.monotonic()
            known = characters + sum(len(word.text) for word in update.new_words) + len(update.waiting)
            if not final_at or known > final_at[-1][0]:
                final_at.append((known, now))
            for word in update.new_words:
                characters += len(word.text)
                since = next(at for length, at in final_at if length >= characters)
                told.append(told_of(word, now - since))
        await sending
    return told


async def upload(url: str, conversation: Conversation) -> list[Told]:
    """Send it as a file to OpenAI's interface; every word with its speaker."""
    form = aiohttp.FormData()
    form.add_field("file", conversation.path.read_bytes(), filename=conversation.path.name)
    for name, value in {"model": "whisper-1", "language": conversation.language, "diarize": "true"}.items():
        form.add_field(name, value)
    form.add_field("response_format", "verbose_json")
    form.add_field("timestamp_granularities[]", "word")
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.post(f"{url}/v1/audio/transcriptions", data=form) as answer,
    ):
        answer.raise_for_status()
        words = (await answer.json())["words"]
    return [Told(Turn(word["start"], word["end"], word["speaker"]), also=word.get("also_speaker")) for word in words]


def score(conversation: Conversation, told: Sequence[Told]) -> Result:
    """Compare with the reference."""
    words = [one.word for one in told]
    also = [one.word._replace(speaker=one.also) for one in told if one.also is not None]
    turns = _turns_of_words([*words, *also])
    given = [_nearest(words, word) for word in conversation.words]
    together: dict[tuple[str, str], float] = defaultdict(float)
    for word, speaker in zip(conversation.words, given, strict=True):
        together[word.speaker, speaker] += 1
    partner = best_mapping(together)
    right = [partner.get(speaker) == word.speaker for word, speaker in zip(conversation.words, given, strict=True)]
    clear = [not _spoken_over(word, conversation.segments) for word in conversation.words]
    return Result(
        conversation,
        diarization_errors(conversation.segments, turns),
        diarization_errors(conversation.segments, turns, collar=0.0),
        diarization_errors(_turns_of_words(conversation.words), turns),
        sum(right),
        sum(clear),
        sum(one for one, alone in zip(right, clear, strict=True) if alone),
        len({word.speaker for word in words}),
        [one.delay for one in told if one.delay is not None],
        told,
    )


def joined(words: Iterable[Turn]) -> list[Turn]:
    """Turns of the words that follow each other and have one speaker."""
    turns: list[Turn] = []
    for word in words:
        last = turns[-1] if turns else None
        if last and last.speaker == word.speaker and word.start - last.end <= JOINED_SECONDS:
            turns[-1] = last._replace(end=max(last.end, word.end))
        else:
            turns.append(word)
    return turns


def _turns_of_words(words: Sequence[Turn]) -> list[Turn]:
    """When each speaker speaks, by the words; turns of different speakers may overlap."""
    ordered = sorted(words)
    return [
        turn
        for speaker in sorted({word.speaker for word in words})
        for turn in joined(word for word in ordered if word.speaker == speaker)
    ]


def _nearest(words: Sequence[Turn], word: Turn) -> str:
    middle = (word.start + word.end) / 2
    return min(words, key=lambda other: abs((other.start + other.end) / 2 - middle)).speaker if words else ""


def _spoken_over(word: Turn, segments: Iterable[Turn]) -> bool:
    return any(turn.speaker != word.speaker and turn.start < word.end and turn.end > word.start for turn in segments)


def report(results: Sequence[Result]) -> str:
    """A row for each conversation, and one for all."""
    names = f"{'DER':>5} {'miss':>5} {'false':>5} {'conf':>5} {'DER 0':>6} {'DER w':>6} {'words':>6} {'clear':>6}"
    rows = [f"{'':24} {names} speakers  label s"]
    for result in results:
        rows.append(_row(result.conversation.name, [result]))
    if len(results) > 1:
        rows.append(_row("all", results))
    return "\n".join(rows)


def _row(name: str, results: Sequence[Result]) -> str:
    errors, strict, by_words = DiarizationErrors(), DiarizationErrors(), DiarizationErrors()
    for result in results:
        errors, strict = errors + result.errors, strict + result.strict
        by_words += result.by_words
    shares = [100 * part / errors.speech for part in (errors.missed, errors.false_alarm, errors.confusion)]
    words = sum(len(result.conversation.words) for result in results)
    right = 100 * sum(result.right for result in results) / max(words, 1)
    clear = 100 * sum(result.clear_right for result in results) / max(sum(result.clear for result in results), 1)
    delays = [delay for result in results for delay in result.delays]
    if len(results) == 1:
        count = f"{results[0].found} of {len(results[0].conversation.speakers)}"
    else:
        count = f"{sum(one.found == len(one.conversation.speakers) for one in results)}/{len(results)}"
    late = " ".join(f"{value:.2f}" for value in np.percentile(delays, (50, 95))) if delays else "-"
    figures = " ".join(f"{share:5.1f}" for share in (100 * errors.rate, *shares))
    figures += "".join(f" {share:6.1f}" for share in (100 * strict.rate, 100 * by_words.rate, right, clear))
    return f"{name:24} {figures} {count:>8}  {late}"


async def measure(arguments: argparse.Namespace) -> None:
    conversations = read_conversations(arguments.manifest, arguments.sets)[arguments.skip :][: arguments.limit]
    places = asyncio.Semaphore(arguments.streams)

    async def one(conversation: Conversation) -> Result:
        async with places:
            if arguments.upload:
                return score(conversation, await upload(arguments.url, conversation))
            return score(conversation, await stream(arguments.url, conversation, arguments.pace))

    results = await asyncio.gather(*map(one, conversations))
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps([_fields(result) for result in results], indent=1) + "\n")


def _fields(result: Result) -> Mapping[str, object]:
    errors = result.errors
    return {
        "conversation": result.conversation.name,
        "speech": errors.speech,
        "missed": errors.missed,
        "false_alarm": errors.false_alarm,
        "confusion": errors.confusion,
        "by_words": result.by_words.rate,
        "words": len(result.conversation.words),
        "right": result.right,
        "speakers": [result.found, len(result.conversation.speakers)],
        "delays": list(result.delays),
        "told": [[*one.word, one.also] for one in result.told],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="ws://HOST:PORT/asr, or http://HOST:PORT with --upload")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], dest="sets", help="a set of the manifest; repeatable")
    parser.add_argument("--skip", type=int, default=0, help="leave out this many conversations at the beginning")
    parser.add_argument("--limit", type=int, help="at most this many conversations")
    parser.add_argument("--streams", type=int, default=1, help="conversations at once")
    parser.add_argument("--pace", type=float, default=1.0, help="seconds of audio sent in a second")
    parser.add_argument("--upload", action="store_true", help="send whole files to /v1/audio/transcriptions")
    parser.add_argument("--json", type=new_file, help="write everything here")
    args = parser.parse_args()
    with told_plainly():
        asyncio.run(measure(args))


if __name__ == "__main__":
    main()
