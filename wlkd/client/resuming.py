"""A stream to `/asr` that survives its connection: keeps what is not settled, connects again, and sends it again.

With a server that cannot resume it is a plain stream.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import BinaryIO

from wlkd.client.asr import AsrStream, CannotResume, Lost, Moving, Place, Refused, Transcript, connect
from wlkd.contract.types import Line, Note

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of audio that is not settled: half an hour of raw audio. Who adds more waits."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
"""Before an attempt to connect again; doubled each time."""
GIVE_UP_SECONDS = 300.0
"""Of waiting for connections, none of which settled anything."""
PIECE_BYTES = 64 * 1024

Say = Callable[[str], None]
"""Told what happens to the connection, in words for the person at the terminal."""


class Audio(ABC):
    """What is to be sent, for as long as a server may ask for it again."""

    @abstractmethod
    async def piece(self, at: int) -> bytes:
        """Some bytes from place `at` of the stream on; waits for them; none: the audio ends there."""

    def settle(self, place: Place) -> None:
        """Nobody will ask for what lies before `place`, except for the header."""

    def begin_anew(self) -> bool:
        """Number the bytes that are left from 0 on, the header first; False: it begins with its first byte again."""
        return False


class FileAudio(Audio):
    """A file that can be read at any place."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def piece(self, at: int) -> bytes:
        return await asyncio.to_thread(self._read, at)

    def _read(self, at: int) -> bytes:
        self._file.seek(at)
        return self._file.read(PIECE_BYTES)


class LiveAudio(Audio):
    """Audio as it comes: `add` it, and at last `end`."""

    def __init__(self) -> None:
        self._header = b""
        self._kept = bytearray()
        self._begin = 0
        """The place of `_kept` in the stream."""
        self._ended = False
        self._changed = asyncio.Event()

    async def add(self, data: bytes) -> None:
        """More of it. Waits while too much is not settled."""
        await self._until(lambda: len(self._kept) < MAX_KEPT_BYTES)
        self._kept += data
        self._changed.set()

    async def end(self) -> None:
        """There will be no more."""
        self._ended = True
        self._changed.set()

    async def piece(self, at: int) -> bytes:
        await self._until(lambda: self._ended or at < self._begin + len(self._kept))
        if at < self._begin:
            return self._header[at:]
        return bytes(self._kept[at - self._begin : at - self._begin + PIECE_BYTES])

    def settle(self, place: Place) -> None:
        if not self._begin:
            self._header = bytes(self._kept[: place.header_bytes])
        gone = max(place.settled_bytes - self._begin, 0)
        del self._kept[:gone]
        self._begin += gone
        self._changed.set()

    def begin_anew(self) -> bool:
        if self._begin:
            self._kept[:0] = self._header
        self._header, self._begin = b"", 0
        return True

    async def _until(self, possible: Callable[[], bool]) -> None:
        while not possible():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def connect_resuming(
    url: str, audio: Audio, *, pcm: bool, wishes: Mapping[str, str] | None = None, say: Say = lambda text: None
) -> AsyncIterator[ResumingStream]:
    """Open a stream for `audio`, and close it on the way out. Raises as `connect` does, for the first connection."""

    def connect_to(continuation: str) -> AbstractAsyncContextManager[AsrStream]:
        return connect(url, pcm=pcm, wishes=wishes, resume=continuation)

    async with AsyncExitStack() as connections:
        first = await connections.enter_async_context(connect_to(""))
        yield ResumingStream(audio, first, connections, connect_to, say)


class ResumingStream:
    """See the module. `connect_resuming` makes one."""

    def __init__(
        self,
        audio: Audio,
        first: AsrStream,
        connections: AsyncExitStack,
        connect_to: Callable[[str], AbstractAsyncContextManager[AsrStream]],
        say: Say,
    ) -> None:
        self._audio = audio
        self._first = first
        self._connections = connections
        self._connect_to = connect_to
        self._say = say
        self._failure: OSError | None = None
        self._lines: tuple[Line, ...] = ()
        self._notes: tuple[Note, ...] = ()
        self._anew: tuple[tuple[Line, ...], int] = ((), 0)
        """Lines of a stream that could not go on, and the samples that they tell of."""
        self._place: Place | None = None
        self._pause = 0.0
        """Before the last attempt to connect, since something was settled."""
        self._waited = 0.0
        """For connections, since something was settled."""

    async def updates(self) -> AsyncIterator[Transcript]:
        """Every update to the end of the audio, each with all lines and notes.

        Raises as `AsrStream.updates` does, of a lost connection only when there is no other to be had; and what reading
        the audio raised, after the words before.
        """
        stream = self._first
        while True:
            try:
                async for update in self._converse(stream):
                    yield update
                if self._failure is not None:
                    raise self._failure
                return
            except (Lost, Refused) as error:
                if stream.begin is None:
                    raise
                lost = error
            await self._connections.aclose()
            stream = await self._again(lost)

    async def _converse(self, stream: AsrStream) -> AsyncIterator[Transcript]:
        sending = asyncio.create_task(self._send(stream))
        try:
            async for update in stream.updates():
                yield self._taken(update)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, stream: AsrStream) -> None:
        """Raises `ClientError`; the reader gets a better one."""
        try:
            await self._send_all(stream)
        except OSError as error:
            # What could be read is worth its words.
            self._failure = error
        await stream.end_audio()

    async def _send_all(self, stream: AsrStream) -> None:
        begin = stream.begin
        at = 0 if begin is None else begin.from_bytes
        sent = 0
        while begin is not None and sent < begin.header_bytes and (piece := await self._audio.piece(sent)):
            piece = piece[: begin.header_bytes - sent]
            await stream.send(piece)
            sent += len(piece)
        while piece := await self._audio.piece(at):
            await stream.send(piece)
            at += len(piece)
            if begin is None:
                self._audio.settle(Place(0, 0, at, 0, ""))

    def _taken(self, update: Transcript) -> Transcript:
        """`update` with all lines and notes, also those that were written elsewhere."""
        if update.place is None:
            return update
        if self._place is None or update.place.settled > self._place.settled:
            self._pause = self._waited = 0.0
        self._place = update.place
        self._audio.settle(update.place)
        before, shift = self._anew
        new = tuple(_later(line, shift) for line in update.lines) if shift else update.lines
        self._lines = (*self._lines[: len(before) + update.place.first_line], *new)
        noted = (replace(note, start=note.start + shift) for note in update.notes)
        self._notes += tuple(note for note in noted if note not in self._notes)
        return replace(update, lines=self._lines, notes=self._notes)

    async def _again(self, lost: Lost | Refused) -> AsrStream:
        """Another connection. Raises `lost` when there is none for too long, or each fails at once."""
        self._say(str(lost))
        reason: Lost | Refused = lost
        began = asyncio.get_running_loop().time() - self._waited
        while self._waited < GIVE_UP_SECONDS:
            if not isinstance(reason, Moving) or self._pause:
                self._pause = next_pause(self._pause, reason)
            # A server that returns would otherwise meet all its clients at once.
            wait = self._pause * random.uniform(0.5, 1.0)
            if wait:
                self._say(f"connecting again in {wait:.1f} s")
            await asyncio.sleep(wait)
            try:
                continuation = "" if self._place is None else self._place.continuation
                stream = await self._connections.enter_async_context(self._connect_to(continuation))
                self._say("connected again, and nothing is lost")
                return stream
            except CannotResume as error:
                self._say(f"{error}; beginning anew")
                self._begin_anew()
            except (Lost, Refused) as error:
                reason = error
            finally:
                self._waited = asyncio.get_running_loop().time() - began
        raise lost from (None if reason is lost else reason)

    def _begin_anew(self) -> None:
        settled = 0 if self._place is None else self._place.settled
        _, shift = self._anew
        kept = self._audio.begin_anew()
        self._place = None
        if not kept:
            self._anew, self._lines, self._notes = ((), 0), (), ()
            return
        # What lies behind will be heard again.
        told = (_before(line, settled + shift) for line in self._lines)
        self._lines = tuple(line for line in told if line is not None)
        self._notes = tuple(note for note in self._notes if note.start < settled + shift)
        self._anew = (self._lines, settled + shift)


def next_pause(pause: float, error: Lost | Refused) -> float:
    """Seconds before the next attempt, after one that came `pause` seconds after the one before.

    Twice as long, but no longer than a server that is full asks for: it is there, and may have a place soon.
    """
    asked = error.retry_after_seconds if isinstance(error, Refused) else None
    longest = LONGEST_PAUSE_SECONDS if asked is None else max(asked, FIRST_PAUSE_SECONDS)
    return min(2 * (pause or FIRST_PAUSE_SECONDS / 2), longest)


def _later(line: Line, by: int) -> Line:
    words = tuple(replace(word, start=word.start + by, end=word.end + by) for word in line.words)
    told = tuple(replace(one, start=one.start + by, end=one.end + by) for one in line.translations)
    return replace(line, start=line.start + by, end=line.end + by, words=words, translations=told)


def _before(line: Line, end: int) -> Line | None:
    """What of `line` lies before sample index `end`."""
    if line.end <= end:
        return line
    if line.start >= end or not line.words:
        return None if line.start >= end else replace(line, end=end)
    words = tuple(word for word in line.words if word.end <= end)
    told = tuple(one for one in line.translations if one.end <= end)
    # Without times of its words, as `words=true` brings them, rather told twice than lost.
    return replace(line, end=end, words=words, translations=told) if words else line
