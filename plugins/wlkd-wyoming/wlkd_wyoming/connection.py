"""One client on the Wyoming port: any number of transcriptions, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong

from wlkd import SessionError, Sessions, StreamOffer
from wlkd.transports.tcp import hang_up
from wlkd_wyoming.events import read_event
from wlkd_wyoming.info import info
from wlkd_wyoming.utterance import Utterance

if TYPE_CHECKING:
    from wlkd_wyoming.transport import WyomingOptions

logger = logging.getLogger(__name__)

ENCODINGS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
"""By width of a sample in bytes."""


class Connection:
    """Answers events, until the client leaves or makes a mistake."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, options: WyomingOptions, sessions: Sessions
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._options = options
        self._sessions = sessions
        self._peer = str((writer.get_extra_info("peername") or ("unknown",))[0])
        self._wishes: dict[str, str] = {}
        self._offer: StreamOffer | None = None
        self._utterance: Utterance | None = None
        self._session = AsyncExitStack()
        self._reading: asyncio.Task[Event | None] | None = None

    async def serve(self) -> None:
        """Serve the client to its end. Raises nothing but cancellation: what goes wrong is told to the client."""
        try:
            async with self._session:
                while (event := await self._next()) is not None:
                    await self._take(event)
            await self._hang_up()
        except SessionError as error:
            logger.info("%s: %s: %s", self._peer, error.code, error.message)
            await self._fail(error)
        except ConnectionError:
            logger.debug("%s: connection lost", self._peer)
        except Exception:
            logger.exception("%s: connection ended by a defect", self._peer)
            await self._fail(SessionError("internal", "internal error; the server's log has the details"))
        finally:
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.gather(self._reading, return_exceptions=True)
            # Not close(): that waits for a client that does not read, after it was given time to.
            self._writer.transport.abort()

    def _read(self) -> asyncio.Task[Event | None]:
        """The next event, being read; the same one until `_next` has taken it."""
        if self._reading is None:
            self._reading = asyncio.create_task(read_event(self._reader))
        return self._reading

    async def _next(self) -> Event | None:
        """The next event, unless the session ends before it."""
        reading = self._read()
        waiting: set[asyncio.Task[Any]] = {reading}
        if self._utterance is not None:
            waiting.add(self._utterance.hearing)
        # A session notices by itself that its client is silent.
        limit = self._options.idle_timeout_seconds if self._utterance is None else None
        await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            self._reading = None
            return reading.result()
        if self._utterance is None:
            raise SessionError("idle_timeout", "nothing was asked for too long")
        await self._end(self._utterance)
        raise SessionError("draining", "the server is shutting down; everything received is transcribed")

    async def _take(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self._write(info(self._sessions.languages()).event())
        elif Ping.is_type(event.type):
            await self._write(Pong(_text(event, "text")).event())
        elif Transcribe.is_type(event.type):
            self._wishes = _wishes(event)
        elif AudioStart.is_type(event.type):
            await self._abandon()
            self._offer = _offer(event)
        elif AudioChunk.is_type(event.type):
            await self._hear(event)
        elif AudioStop.is_type(event.type):
            await self._finish()
        else:
            # Events of other services: a server is expected to drop them.
            logger.debug("%s: %s ignored", self._peer, event.type)

    async def _hear(self, event: Event) -> None:
        offer = _offer(event)
        if self._offer is not None and offer != self._offer:
            raise SessionError("bad_request", f"audio-chunk: the format changed from {self._offer} to {offer}")
        self._offer = offer
        if self._utterance is None:
            session = await self._session.enter_async_context(
                self._sessions.open(offer, transport="wyoming", peer=self._peer, query=self._wishes)
            )
            self._utterance = Utterance(session, self._write, streaming=self._options.streaming)
            self._session.push_async_callback(self._utterance.cancel)
        try:
            await self._utterance.feed(event.payload or b"")
        except SessionError:
            # The words of the audio before are still sent; then the reason is raised there.
            await self._end(self._utterance)
            raise

    async def _finish(self) -> None:
        if self._utterance is None:
            await self._write(Transcript("").event())
        else:
            await self._utterance.finish()
            reading = self._read()
            await asyncio.wait({reading, self._utterance.hearing}, return_when=asyncio.FIRST_COMPLETED)
            left = reading.done() and reading.exception() is None and reading.result() is None
            if left and not self._utterance.hearing.done():
                raise ConnectionResetError("the client left before its transcript was ready")
            await self._end(self._utterance)
        self._offer = None
        self._wishes = {}

    async def _end(self, utterance: Utterance) -> None:
        """Wait until everything is transcribed, close the session, send the transcript."""
        await asyncio.wait({utterance.hearing})
        utterance.hearing.result()
        await self._abandon()
        await utterance.send_transcript()

    async def _abandon(self) -> None:
        """Close the session, whatever it has still to say."""
        await self._session.aclose()
        self._utterance = self._offer = None

    async def _write(self, event: Event) -> None:
        try:
            async with asyncio.timeout(self._options.send_timeout_seconds):
                await async_write_event(event, self._writer)
        except TimeoutError:
            raise SessionError("too_slow", "the client does not read its events") from None

    async def _fail(self, error: SessionError) -> None:
        with contextlib.suppress(ConnectionError, SessionError):
            await self._write(Error(error.message, error.code).event())
            await self._hang_up()

    async def _hang_up(self) -> None:
        if self._reading is not None:
            # Two cannot read from one connection.
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await hang_up(self._reader, self._writer, self._options.close_timeout_seconds)


def _offer(event: Event) -> StreamOffer:
    width = _number(event, "width")
    if width not in ENCODINGS:
        raise SessionError("bad_request", f"{event.type}: width {width} is not a sample of 1 to 4 bytes")
    return StreamOffer(
        encoding=ENCODINGS[width], sample_rate=_number(event, "rate"), channels=_number(event, "channels")
    )


def _wishes(event: Event) -> dict[str, str]:
    wishes = {}
    if language := _text(event, "language"):
        wishes["language"] = language.split("-")[0].split("_")[0].lower()
    hotwords: list[Any] = [*_list(event, "transcript_names"), *_list(event, "transcript_terms")]
    if hotwords:
        wishes["hotwords"] = ",".join(map(str, hotwords))
    return wishes


def _number(event: Event, name: str) -> int:
    value = event.data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SessionError("bad_request", f"{event.type}: {name} {value!r} is not a whole number above 0")
    return value


def _text(event: Event, name: str) -> str | None:
    value = event.data.get(name)
    if value is not None and not isinstance(value, str):
        raise SessionError("bad_request", f"{event.type}: {name} {value!r} is not a text")
    return value


def _list(event: Event, name: str) -> list[Any]:
    value = event.data.get(name) or []
    if not isinstance(value, list):
        raise SessionError("bad_request", f"{event.type}: {name} {value!r} is not a list")
    return value
