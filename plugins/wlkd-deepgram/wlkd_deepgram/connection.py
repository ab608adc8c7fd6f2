"""One client on the live API, from the first message to the close frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMessage, WSMsgType

from wlkd import Session, SessionError
from wlkd.transports import websocket
from wlkd_deepgram.errors import CLOSE, OTHERWISE
from wlkd_deepgram.messages import Message, Results
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.query import Query

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions

logger = logging.getLogger(__name__)


class ProtocolError(Exception):
    """A control message that makes no sense."""


class Socket(websocket.Socket):
    """Says why a message is too big as this protocol does."""

    async def too_big(self) -> str:
        return f"DATA-0000: {await super().too_big()}"


class Connection:
    """Moves bytes in and messages out for one client, until one of them ends."""

    def __init__(self, socket: Socket, options: DeepgramOptions, query: Query, metadata: Metadata, peer: str) -> None:
        self._socket = socket
        self._options = options
        self._peer = peer
        self._metadata = metadata
        self._results = Results(query, metadata.request_id, options.final_seconds)
        self._flushes = 0
        self._client_ended = False
        self._complete = False
        """All results were sent."""
        self._error: SessionError | None = None
        self._heard_since_keep_alive = True

    async def serve(self, session: Session) -> None:
        """Serve the client to the last result. Raises nothing but cancellation: `end` tells what went wrong."""
        pinging = asyncio.create_task(self._socket.keep_pinging())
        try:
            await self._converse(session)
        except SessionError as error:
            logger.info("%s: %s: %s", self._peer, error.code, error.message)
            self._error = error
        except ConnectionError:
            logger.debug("%s: connection lost", self._peer)
        except Exception:
            logger.exception("%s: connection ended by a defect", self._peer)
            self._error = SessionError("internal", "internal error; the server's log has the details")
        finally:
            pinging.cancel()

    async def end(self) -> None:
        """Say what is left and close. To be called when the session is closed: a client that comes back at once
        must find its place free."""
        with contextlib.suppress(ConnectionError, SessionError):
            if self._complete:
                await self._send_all([{"type": "Metadata", **self._metadata.fields()}])
        if self._error is None:
            await self._socket.hang_up(WSCloseCode.OK)
        else:
            await self._fail(self._error)

    async def _converse(self, session: Session) -> None:
        sending = asyncio.create_task(self._send(session))
        receiving = asyncio.create_task(self._receive(session))
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                receiving.result()
                return
            sending.result()
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _receive(self, session: Session) -> None:
        """Feed the session until the client goes away."""
        taking = True
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:
                return
            if not taking:
                # Its session has ended, which the client cannot know yet. Keep reading so that its close is seen.
                continue
            try:
                taking = await self._take(session, message)
            except ProtocolError as error:
                # Told when what was sent before has been transcribed.
                self._error = SessionError("bad_request", str(error))
                taking = await self._end(session)
            except SessionError:
                # `updates()` still delivers the words of the audio before, and then raises the reason.
                taking = False

    async def _take(self, session: Session, message: WSMessage) -> bool:
        """Do what one message says; whether there may be more."""
        if message.type is WSMsgType.TEXT:
            return await self._control(session, message.data)
        if message.data:
            self._metadata.hear(message.data)
            self._heard_since_keep_alive = True
            await session.feed(message.data)
            return True
        # An empty message is how older clients end the stream.
        return await self._end(session)

    async def _control(self, session: Session, text: str) -> bool:
        match _kind(text):
            case "KeepAlive":
                if not self._heard_since_keep_alive:
                    # Nobody speaks: flushing cuts no word, and tells the session that its client lives.
                    await self._flush(session)
                self._heard_since_keep_alive = False
            case "Finalize":
                self._results.finalize(self._flushes + 1)
                await self._flush(session)
            case "CloseStream":
                return await self._end(session)
            case kind:
                raise ProtocolError(f"unknown message type {kind!r}; known: KeepAlive, Finalize, CloseStream")
        return True

    async def _flush(self, session: Session) -> None:
        self._flushes += 1
        await session.flush()

    async def _end(self, session: Session) -> bool:
        self._client_ended = True
        await session.finish()
        return False

    async def _send(self, session: Session) -> None:
        """Send messages to the end. Waiting for a slow client here lets the session merge what it misses."""
        clock = asyncio.get_running_loop().time
        updates = session.updates()
        upcoming = asyncio.ensure_future(anext(updates, None))
        try:
            while True:
                await asyncio.wait({upcoming}, timeout=self._results.wait_seconds(clock()))
                if upcoming.done():
                    update = upcoming.result()
                    if update is None:
                        break
                    self._metadata.received = update.received
                    await self._send_all(self._results.on_update(update, clock()))
                    upcoming = asyncio.ensure_future(anext(updates, None))
                await self._send_all(self._results.on_time(clock()))
        except SessionError:
            await self._send_all(self._results.rest())
            raise
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        self._complete = True
        if not self._client_ended:
            raise SessionError("draining", "the server is shutting down; everything received is transcribed")

    async def _send_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            await self._socket.say(json.dumps(message, ensure_ascii=False))

    async def _fail(self, error: SessionError) -> None:
        close_code, code = CLOSE.get(error.code, OTHERWISE)
        message = {
            "type": "Error",
            "variant": error.code,
            "code": code,
            "description": error.message,
            "message": error.message,
        }
        with contextlib.suppress(ConnectionError, SessionError):
            await self._send_all([message])
        await self._socket.hang_up(close_code, f"{code}: {error.message}")


def _kind(text: str) -> object:
    """The type of a control message."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"text message that is not JSON: {error}") from None
    return message.get("type") if isinstance(message, dict) else None
