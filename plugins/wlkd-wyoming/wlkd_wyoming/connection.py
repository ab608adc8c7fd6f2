"""One client on the Wyoming port: any number of transcriptions, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong

from wlkd import Code, Session, SessionError, Sessions, StreamOffer
from wlkd.contract.host import Capabilities
from wlkd.transports.conversation import cancel
from wlkd.transports.queries import engine_wish
from wlkd.transports.tcp import Client
from wlkd_wyoming.events import read_event
from wlkd_wyoming.home_assistant import fitting
from wlkd_wyoming.info import USUAL_MODELS, info
from wlkd_wyoming.utterance import Utterance, last_events

if TYPE_CHECKING:
    from wlkd_wyoming.transport import WyomingOptions

logger = logging.getLogger(__name__)

ENCODINGS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
"""By width of a sample in bytes."""


class Connection:
    """Answers events, until the client leaves or makes a mistake."""

    def __init__(self, client: Client, options: WyomingOptions, sessions: Sessions, names: Sequence[str] = ()) -> None:
        """`names`: words to expect where the client names none."""
        self._client = client
        self._names = ",".join(names)
        self._options = options
        self._sessions = sessions
        self._wishes: dict[str, str] = {}
        self._offer: StreamOffer | None = None
        self._utterance: Utterance | None = None
        self._answered = False
        """The request ended by its speaker's silence: what is still sent of it is dropped."""
        self._session = AsyncExitStack()
        self._reading: asyncio.Task[Event | None] | None = None

    async def serve(self) -> None:
        """Serve the client to its end. Raises nothing but cancellation: errors are sent to the client."""
        await self._client.serve(self._converse(), lambda error: self._write(Error(error.message, error.code).event()))

    async def _converse(self) -> None:
        try:
            async with self._session:
                await self._take_all()
                if self._utterance is not None:
                    # Only its direction may be closed: the audio ends here, and the client still reads.
                    await self._finish()
        except SessionError as error:
            # A client that asks for nothing more, or does not read, is not turned away.
            if error.code not in (Code.IDLE_TIMEOUT, Code.TOO_SLOW):
                self._sessions.turned_away(error, transport="wyoming", peer=self._client.peer)
            raise
        finally:
            if self._reading is not None:
                await cancel(self._reading)

    async def _take_all(self) -> None:
        """Answer every event. After a mistake of the client, the words of the audio before it come first."""
        try:
            while (event := await self._next()) is not None:
                await self._take(event)
        except SessionError as error:
            if self._utterance is not None and error.code is not Code.TOO_SLOW:
                await self._utterance.finish(error)
                await self._end(self._utterance)
            raise

    async def _next(self) -> Event | None:
        """The next event, unless the session ends before it."""
        if self._reading is None:
            self._reading = asyncio.create_task(read_event(self._client.reader))
        reading = self._reading
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
        return await self._next()

    async def _take(self, event: Event) -> None:
        if Describe.is_type(event.type):
            endpointing = self._options.endpoint_seconds is not None
            about = info(self._sessions.capabilities(), streaming=self._options.streaming, endpointing=endpointing)
            await self._write(about.event())
        elif Ping.is_type(event.type):
            await self._write(Pong(_text(event, "text")).event())
        elif Transcribe.is_type(event.type):
            self._answered = False
            self._wishes = _wishes(event, self._sessions.capabilities())
        elif AudioStart.is_type(event.type):
            await self._abandon()
            self._answered = False
            self._offer = _offer(event)
        elif AudioChunk.is_type(event.type):
            await self._hear(event)
        elif AudioStop.is_type(event.type):
            await self._finish()
        else:
            # Events of other services: a server is expected to drop them.
            logger.debug("%s: %s ignored", self._client.peer, event.type)

    async def _hear(self, event: Event) -> None:
        if self._answered:
            return
        offer = _offer(event)
        if self._offer is not None and offer != self._offer:
            told = f"the format changed from {_format(self._offer)} to {_format(offer)}"
            raise SessionError("bad_request", f"audio-chunk: {told}; begin a new request with audio-start")
        self._offer = offer
        if self._utterance is None:
            session = await self._open(offer)
            self._utterance = Utterance(
                session, self._write, streaming=self._options.streaming, endpoint=self._options.endpoint_seconds
            )
            self._session.push_async_callback(self._utterance.cancel)
        try:
            await self._utterance.feed(event.payload or b"")
        except SessionError:
            # `updates()` raises it too, after the words of the audio before.
            await self._end(self._utterance)

    async def _open(self, offer: StreamOffer) -> Session:
        named = self._wishes.get("hotwords", "")
        if not (named or self._names):
            return await self._enter(offer, self._wishes)
        try:
            return await self._enter(offer, {**self._wishes, "hotwords": named or self._names})
        except SessionError as error:
            fewer = ",".join(fitting(named.split(",")))
            if error.code is not Code.BAD_REQUEST or (named and fewer == named):
                raise
            # More than the model takes, perhaps beside a prompt of the configuration. A client names all that it has,
            # and without names it is understood well enough; those of Home Assistant nobody asked for.
            whose = "words to expect beyond the first ones" if named else "the names of Home Assistant"
            logger.warning("%s are left out: %s", whose, error.message)
        others = {name: value for name, value in self._wishes.items() if name != "hotwords"}
        return await self._enter(offer, {**others, "hotwords": fewer} if fewer else others)

    async def _enter(self, offer: StreamOffer, query: dict[str, str]) -> Session:
        peer = self._client.peer
        return await self._session.enter_async_context(
            self._sessions.open(offer, transport="wyoming", peer=peer, query=query)
        )

    async def _finish(self) -> None:
        if self._answered:
            self._answered = False
        elif self._utterance is None:
            for event in last_events(Transcript(""), streaming=self._options.streaming):
                await self._write(event)
        else:
            await self._utterance.finish()
            await self._end(self._utterance)
            self._answered = False
        self._offer = None
        self._wishes = {}

    async def _end(self, utterance: Utterance) -> None:
        """Wait until everything is transcribed, close the session, send the transcript."""
        await asyncio.wait({utterance.hearing})
        self._answered = utterance.ended_by_silence
        await self._abandon()
        await utterance.send_transcript()
        utterance.hearing.result()

    async def _abandon(self) -> None:
        """Close the session, whatever it has still to say."""
        await self._session.aclose()
        self._utterance = self._offer = None

    async def _write(self, event: Event) -> None:
        await self._client.in_time(async_write_event(event, self._client.writer))


def _offer(event: Event) -> StreamOffer:
    width = _number(event, "width")
    if width not in ENCODINGS:
        raise SessionError("bad_request", f"{event.type}: width {width} is not a sample of 1 to 4 bytes")
    return StreamOffer(
        encoding=ENCODINGS[width], sample_rate=_number(event, "rate"), channels=_number(event, "channels")
    )


def _format(offer: StreamOffer) -> str:
    return f"{offer.encoding} ({offer.sample_rate} Hz, channels: {offer.channels})"


def _wishes(event: Event, capabilities: Capabilities) -> dict[str, str]:
    wishes = engine_wish(_text(event, "name") or "", capabilities, USUAL_MODELS)
    if language := _text(event, "language"):
        wishes["language"] = language
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
