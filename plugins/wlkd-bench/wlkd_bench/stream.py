"""Streams one clip at the pace of speech and writes down what came back, and when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from wlkd.client import AsrStream, ClientError, Refused, connect
from wlkd.contract.text import joined
from wlkd.contract.types import Word
from wlkd_bench.clips import Clip
from wlkd_bench.pieces import Format, Piece


@dataclass(frozen=True, slots=True)
class Event:
    """One update as the client saw it."""

    at: float
    """Seconds after the first sound of the stream."""
    committed: str
    tentative: str
    lag: float
    """What the server says it has not transcribed yet, seconds."""

    @property
    def shown(self) -> str:
        """The committed text and the tail that may still change."""
        return joined((self.committed, self.tentative))


@dataclass(slots=True)
class Recording:
    """Everything that happened while one clip was streamed. Times are seconds after its first sound."""

    clip: Clip
    began: float
    """The stream's first sound, in seconds after the start of the run."""
    pace: float = 1.0
    events: list[Event] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    """Every committed word with its times in the audio, from servers that tell them."""
    audio_end: float | None = None
    """The server was told that the audio is over."""
    stopped: float | None = None
    """The server said `ready_to_stop`."""
    late: float = 0.0
    """The most by which a piece left behind its time: the server slowed us, or this machine is too busy."""
    failure: str | None = None
    refused: bool = False
    """The failure is a refusal of a full server, before anything came back."""


def heard_whole(clip: Clip, text: str) -> Recording:
    """A text that came for all of the clip at once. It has no latency: what that is counted from is left out."""
    return Recording(replace(clip, word_ends=()), 0.0, events=[Event(0.0, text, "", 0.0)])


@dataclass(frozen=True, slots=True)
class Target:
    """The server, and how to talk to it."""

    url: str
    encoding: Format = "pcm"
    language: str = "manifest"
    """`manifest`: each clip's own; `auto`; or one code for all."""
    token: str | None = None
    pace: float = 1.0
    """Seconds of audio sent in a second."""
    patience: float = 120.0
    """Seconds to wait, on top of the clip's duration, before a stream counts as failed."""

    def wishes_for(self, clip: Clip) -> dict[str, str]:
        """The query of the clip's stream."""
        wishes = {}
        if self.language != "manifest":
            wishes["language"] = self.language
        elif clip.is_speech:
            wishes["language"] = clip.language
        if self.token:
            wishes["token"] = self.token
        return wishes


async def stream_clip(
    target: Target,
    clip: Clip,
    pieces: Sequence[Piece],
    *,
    run_began: float,
    on_sent: Callable[[float], None],
) -> Recording:
    """Stream a clip. Never raises for what the server does: it is the recording's `failure`.

    `run_began` is the event loop's time at the start of the run; `on_sent` hears of seconds of audio sent.
    """
    loop = asyncio.get_running_loop()
    recording = Recording(clip, loop.time() - run_began, target.pace)
    duration = pieces[-1].end / target.pace if pieces else 0.0
    try:
        async with (
            asyncio.timeout(duration + target.patience),
            connect(target.url, pcm=target.encoding == "pcm", wishes=target.wishes_for(clip)) as stream,
        ):
            await _converse(stream, recording, pieces, run_began, on_sent)
    except TimeoutError:
        recording.failure = f"not finished {target.patience:g} s after the end of its audio"
    except Refused as error:
        recording.failure = str(error)
        # "Try again later" is also how a server that is stopped breaks off the streams that it had taken.
        recording.refused = not recording.events and recording.audio_end is None
    except ClientError as error:
        recording.failure = str(error)
    return recording


async def _converse(
    stream: AsrStream,
    recording: Recording,
    pieces: Sequence[Piece],
    run_began: float,
    on_sent: Callable[[float], None],
) -> None:
    loop = asyncio.get_running_loop()
    zero = loop.time()
    recording.began = zero - run_began

    async def read() -> None:
        async for update in stream.updates():
            at = loop.time() - zero
            # Most updates change the tail only: keep one copy of a text that an hour of speech makes long.
            same = recording.events and recording.events[-1].committed == update.committed
            committed = recording.events[-1].committed if same else update.committed
            recording.events.append(Event(at, committed, update.tentative, update.lag_seconds))
            recording.words += update.new_words
        recording.stopped = loop.time() - zero

    async def send() -> None:
        sent = 0.0
        for piece in pieces:
            due = piece.end / recording.pace  # From the schedule, not from the last piece: no drift adds up.
            await asyncio.sleep(zero + due - loop.time())
            await stream.send(piece.data)
            recording.late = max(recording.late, loop.time() - zero - due)
            on_sent(piece.end - sent)
            sent = piece.end
        recording.audio_end = loop.time() - zero
        await stream.end_audio()

    reader, sender = asyncio.create_task(read()), asyncio.create_task(send())
    try:
        # A server that gives up closes the connection under the sender; only the reader learns why.
        await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
        await reader
        if recording.audio_end is None:
            raise ClientError("the server stopped before the audio had ended")
    finally:
        for task in (reader, sender):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ClientError):
                await task
