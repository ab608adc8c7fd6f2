"""The port for Asterisk's AudioSocket.

Two ways of Asterisk decide what this sends. It hangs up a call in which neither it nor its peer has sent anything for
two seconds, and a phone that is muted or on hold sends nothing; so silence goes back, as much as audio came, and some
while none comes. The caller's phone then gets RTP too, which keeps NAT and SIP trunks from giving the call up. And
Asterisk hangs up a call whose connection breaks, whereas a farewell lets its dialplan go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

from wlkd import Code, SessionError, Sessions
from wlkd.transports.channels import Channels
from wlkd.transports.conversation import feed_all, running, see_through
from wlkd_telephony import audiosocket
from wlkd_telephony.calls import Calls
from wlkd_telephony.real_time import in_real_time
from wlkd_telephony.transcribing import soon, transcribe

READ_BYTES = 16 * 1024
KEEP_ALIVE_SECONDS = 1.0
"""Half of what Asterisk waits for."""
SILENT_SECONDS = 300.0
"""What a call that said which one it is may take to its first audio: a phone may begin muted."""
FAREWELL_SECONDS = 2.0
"""How long to read on after the farewell."""


class AudioSocketPort:
    """Takes calls until `close`."""

    def __init__(self, sessions: Sessions, calls: Calls, silent_seconds: float = SILENT_SECONDS) -> None:
        self._sessions = sessions
        self._calls = calls
        self._silent_seconds = silent_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(), self._accept), sock=bound
        )

    def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        self.stop_accepting()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(reader, writer)
        task = asyncio.create_task(self._serve(line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: line.close())

    async def _serve(self, line: _Line) -> None:
        async def tell(error: SessionError) -> None:
            """There is no way to tell it; the listeners of the call know."""
            # A call that brings nothing, as a probe of the port does, is not turned away.
            if error.code is not Code.IDLE_TIMEOUT:
                self._sessions.turned_away(error, transport="telephony", peer=line.peer)

        async with running(line.keep_alive()):
            await see_through(self._hear(line), tell, line.peer)
        await line.say_farewell()

    async def _hear(self, line: _Line) -> None:
        async with soon():
            name = await line.identity()
        began = asyncio.get_running_loop().time()
        async with self._calls.speaking(name) as (call, number):
            first = await line.first_audio(self._silent_seconds)
            if first is None:
                return
            async with (
                self._sessions.open(first.raw.offer, transport="telephony", peer=line.peer) as session,
                contextlib.aclosing(in_real_time(line.pieces(first), first.raw, began)) as pieces,
            ):
                await transcribe(Channels([session]), call, number, feed_all(session, pieces))


class _Reader(asyncio.StreamReader):
    """Asterisk leaves our silence unread when it hangs up, which resets the connection: audio before that counts."""

    def set_exception(self, exc: BaseException) -> None:
        self.feed_eof()


class _Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peer = str((writer.get_extra_info("peername") or ("unknown",))[0])
        self._reader = reader
        self._writer = writer
        self._events = self._read_events()
        # Not the writer: at the first error it would close the connection, with audio unread, and it has no bound.
        self._back = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
        self._back.setblocking(False)
        self._listens = True
        self._silence = audiosocket.SILENCE
        self._sent = asyncio.get_running_loop().time()

    async def identity(self) -> str:
        """Which call this is. Raises `SessionError`, `ConnectionError`."""
        async for event in self._events:
            if isinstance(event, audiosocket.Identity):
                return event.call
            if isinstance(event, audiosocket.Audio):
                raise SessionError(Code.BAD_REQUEST, "audio before the UUID of the call; is this AudioSocket?")
        raise ConnectionResetError("the call ended before it began")

    async def first_audio(self, within_seconds: float) -> audiosocket.Audio | None:
        """None: the call ended without any. Raises `SessionError`."""
        try:
            async with asyncio.timeout(within_seconds):
                async for event in self._events:
                    if isinstance(event, audiosocket.Audio):
                        return event
        except TimeoutError:
            raise SessionError(Code.IDLE_TIMEOUT, "the call has no audio") from None
        return None

    async def pieces(self, first: audiosocket.Audio) -> AsyncIterator[bytes]:
        """The audio, to the end of the call. Raises `SessionError`."""
        yield first.samples
        async for event in self._events:
            if isinstance(event, audiosocket.Audio):
                if event.rate != first.rate:
                    raise SessionError(Code.BAD_REQUEST, f"the audio changed from {first.rate} to {event.rate} Hz")
                yield event.samples

    async def keep_alive(self) -> None:
        """Send silence while nothing comes, for a task of its own."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(self._sent + KEEP_ALIVE_SECONDS - loop.time(), 0))
            if loop.time() >= self._sent + KEEP_ALIVE_SECONDS:
                self._send(self._silence)

    async def say_farewell(self) -> None:
        """Hang up, and read on for a moment: to close with audio unread would break the connection."""
        with contextlib.suppress(OSError):  # it has hung up, or it reads no more: TimeoutError is one too
            self._writer.write(audiosocket.GOODBYE)
            self._writer.write_eof()
            async with asyncio.timeout(FAREWELL_SECONDS):
                while await self._reader.read(READ_BYTES):
                    continue

    def close(self) -> None:
        self._back.close()
        self._writer.close()

    async def _read_events(self) -> AsyncIterator[audiosocket.Event]:
        """To the end of the call, or of the connection."""
        frames = audiosocket.Frames()
        while data := await self._reader.read(READ_BYTES):
            for event in frames.feed(data):
                if isinstance(event, audiosocket.Hangup):
                    return
                if isinstance(event, audiosocket.Audio):
                    self._silence = event.silence
                    self._send(event.silence)
                yield event

    def _send(self, frame: bytes) -> None:
        """Unless Asterisk has hung up, or takes nothing."""
        self._sent = asyncio.get_running_loop().time()
        try:
            self._listens = self._listens and self._back.send(frame) == len(frame)
        except OSError:
            self._listens = False
