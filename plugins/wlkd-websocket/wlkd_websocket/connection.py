"""One client on `/asr`, from the first message to the close frame."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType

from wlkd import Session, SessionError, Sessions
from wlkd.transports import websocket
from wlkd_websocket.messages import CLOSE_CODES, READY_TO_STOP, DiffMessages, FullMessages, error_message
from wlkd_websocket.query import PCM, Query, parse_query

if TYPE_CHECKING:
    from wlkd_websocket.transport import WebSocketOptions

logger = logging.getLogger(__name__)


class Socket(websocket.Socket):
    """Says why a message is too big as this protocol does."""

    async def too_big(self) -> str:
        error = SessionError("message_too_big", await super().too_big())
        with contextlib.suppress(ConnectionError, SessionError):
            await self.say(error_message(error))
        return error.message


class Connection:
    """Moves bytes in and updates out for one client, until one of them ends."""

    def __init__(self, socket: Socket, options: WebSocketOptions, sessions: Sessions) -> None:
        self._socket = socket
        self._options = options
        self._sessions = sessions
        self._client_ended = False
        self._mistake: SessionError | None = None
        """The client's; told when what it sent before has been transcribed."""

    async def serve(self, query: Mapping[str, str], *, peer: str, token: str | None) -> None:
        """Serve the client to its end. Raises nothing but cancellation: what goes wrong is told to the client."""
        pinging = asyncio.create_task(self._socket.keep_pinging())
        try:
            await self._converse(parse_query(query, self._options.input), peer, token)
            await self._socket.hang_up(WSCloseCode.OK)
        except SessionError as error:
            logger.info("%s: %s: %s", peer, error.code, error.message)
            await self._fail(error)
        except ConnectionError:
            logger.debug("%s: connection lost", peer)
        except Exception:
            logger.exception("%s: connection ended by a defect", peer)
            await self._fail(SessionError("internal", "internal error; the server's log has the details"))
        finally:
            pinging.cancel()

    async def _converse(self, query: Query, peer: str, token: str | None) -> None:
        receiving: asyncio.Task[None] | None = None
        try:
            async with self._sessions.open(
                query.offer, transport="websocket", peer=peer, query=query.wishes, token=token
            ) as session:
                await self._socket.send_json(_config(query))
                receiving = asyncio.create_task(self._receive(session))
                if not await self._deliver(session, query, receiving):
                    return
            # The place is free before the client reads that it is done: it may come back at once.
            await self._socket.say(READY_TO_STOP)
            # The client closes, or is closed when it does not.
            await asyncio.wait({receiving}, timeout=self._options.close_timeout_seconds)
        finally:
            if receiving is not None:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)

    async def _deliver(self, session: Session, query: Query, receiving: asyncio.Task[None]) -> bool:
        """Send updates to the end. False: the client went away before."""
        sending = asyncio.create_task(self._send(session, query))
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                receiving.result()
                return False
            sending.result()
            return True
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _receive(self, session: Session) -> None:
        """Feed the session until the client goes away."""
        taking = True
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:
                return
            if not taking:
                # MediaRecorder may deliver a last chunk after the page has sent the end, and a client does not
                # know yet that its session failed. Keep reading so that its close is seen.
                continue
            if message.type is WSMsgType.TEXT:
                self._mistake = SessionError("bad_request", "text message: send audio in binary messages only")
            if not message.data or self._mistake is not None:
                taking = False
                self._client_ended = True
                await session.finish()
                continue
            try:
                await session.feed(message.data)
            except SessionError:
                # `updates()` still delivers the words of the audio before, and then raises the reason.
                taking = False

    async def _send(self, session: Session, query: Query) -> None:
        """Send updates to the end. Waiting for a slow client here lets the session merge what it misses."""
        messages = DiffMessages(query.words) if query.mode == "diff" else FullMessages(query.words)
        async for update in session.updates():
            await self._socket.say(messages.write(update))
        if self._mistake is not None:
            raise self._mistake
        if not self._client_ended:
            raise SessionError("draining", "the server is shutting down; everything received is transcribed")

    async def _fail(self, error: SessionError) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._options.close_timeout_seconds):
                await self._socket.send_str(error_message(error))
        await self._socket.hang_up(CLOSE_CODES.get(error.code, WSCloseCode.INTERNAL_ERROR), error.message)


def _config(query: Query) -> dict[str, object]:
    message: dict[str, object] = {"type": "config", "useAudioWorklet": query.offer == PCM}
    if query.mode == "diff":
        message["mode"] = "diff"
    return message
