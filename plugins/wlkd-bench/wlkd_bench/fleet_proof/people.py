"""People who speak to the fleet, at the pace of speech: the clients of one host, as a process in its namespace.

python -m wlkd_bench.fleet_proof.people PLAN ANSWERS
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from wlkd.client import AsrStream, ClientError, LiveAudio, Lost, Refused, connect, connect_resuming
from wlkd.contract.audio import SAMPLE_RATE

PIECE_SECONDS = 0.1
AGAIN_SECONDS = 1.0
"""What somebody needs who starts a stream again by hand; short, so that what is lost is what the fleet has lost."""
WISHES = {"words": "true"}


@dataclass(frozen=True)
class Person:
    """Who says what, when, and over what sort of client."""

    name: str
    url: str
    audio: str
    """A file of 16-bit samples at 16 kHz."""
    resumes: bool
    begins: float
    """Of the monotonic clock."""


@dataclass
class Heard:
    """What somebody was told, in words and otherwise."""

    name: str
    texts: list[str] = field(default_factory=list)
    """Of each stream, at its end: one, unless a plain client had to begin again."""
    grew: list[float] = field(default_factory=list)
    """When committed words came, of the monotonic clock."""
    revised: int = 0
    """Updates that took back committed text."""
    said: list[tuple[float, str]] = field(default_factory=list)
    """What the client said of its connection."""

    def committed(self, text: str) -> None:
        before, self.texts[-1] = self.texts[-1], text
        self.revised += not text.startswith(before)
        if len(text) > len(before):
            self.grew.append(time.monotonic())

    def told(self, text: str) -> None:
        self.said.append((time.monotonic(), text))


async def resuming(person: Person, audio: bytes, heard: Heard) -> None:
    """One stream, over as many connections as it takes."""
    live = LiveAudio()
    speaking = asyncio.create_task(speak(person, audio, live, 0))
    heard.texts.append("")
    while True:
        try:
            async with connect_resuming(person.url, live, pcm=True, wishes=WISHES, say=heard.told) as stream:
                async for update in stream.updates():
                    heard.committed(update.committed)
            break
        except (Lost, Refused) as error:
            # Before the first connection: nothing is sent yet.
            heard.told(str(error))
            await asyncio.sleep(AGAIN_SECONDS)
    await speaking


async def plain(person: Person, audio: bytes, heard: Heard) -> None:
    """A stream that ends with its connection; then another one, of what is said from then on."""
    while (begin := place(person, audio)) < len(audio):
        live = LiveAudio()
        speaking = asyncio.create_task(speak(person, audio, live, begin))
        heard.texts.append("")
        try:
            async with connect(person.url, pcm=True, wishes=WISHES) as stream:
                sending = asyncio.create_task(send(stream, live))
                try:
                    async for update in stream.updates():
                        heard.committed(update.committed)
                finally:
                    sending.cancel()
            return
        except ClientError as error:
            heard.told(str(error))
            await asyncio.sleep(AGAIN_SECONDS)
        finally:
            speaking.cancel()


async def send(stream: AsrStream, live: LiveAudio) -> None:
    at = 0
    while piece := await live.piece(at):
        await stream.send(piece)
        at += len(piece)
    await stream.end_audio()


def place(person: Person, audio: bytes) -> int:
    """What is being said now, as a place in `audio`."""
    samples = round((time.monotonic() - person.begins) * SAMPLE_RATE)
    return min(max(2 * samples, 0), len(audio))


async def speak(person: Person, audio: bytes, live: LiveAudio, begin: int) -> None:
    """Every piece when it has been said, from `begin` on."""
    size = 2 * round(PIECE_SECONDS * SAMPLE_RATE)
    for at in range(begin, len(audio), size):
        piece = audio[at : at + size]
        due = person.begins + (at + len(piece)) / 2 / SAMPLE_RATE
        await asyncio.sleep(due - time.monotonic())
        await live.add(piece)
    await live.end()


async def listen(person: Person) -> Heard:
    audio = await asyncio.to_thread(Path(person.audio).read_bytes)
    heard = Heard(person.name)
    await asyncio.sleep(person.begins - time.monotonic())
    await (resuming if person.resumes else plain)(person, audio, heard)
    return heard


async def everybody(people: Sequence[Person]) -> list[Heard]:
    return await asyncio.gather(*map(listen, people))


def main(plan: Path, answers: Path) -> None:
    people = [Person(**row) for row in json.loads(plan.read_text())]
    answers.write_text(json.dumps([asdict(heard) for heard in asyncio.run(everybody(people))]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
