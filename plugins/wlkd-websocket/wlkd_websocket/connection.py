"""One client on `/asr`, from the first message to the close frame."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType

from wlkd import Code, Session, SessionError, SessionInfo, Sessions, TakenUp, Update
from wlkd.transports import websocket
from wlkd.transports.channels import open_channels
from wlkd.transports.conversation import converse, turning_away
from wlkd_websocket.messages import (
    PING,
    PONG,
    READY_TO_STOP,
    DiffMessages,
    FullMessages,
    continuation_in,
    error_message,
    taken_up_fields,
)
from wlkd_websocket.query import PCM, Query, parse_query

if TYPE_CHECKING:
    from wlkd_websocket.transport import WebSocketOptions

AT_ONCE_SECONDS = 0.02
"""An empty message so soon after a piece of audio was sent by a client that has no more."""
GRACE_SECONDS = 0.3
"""A MediaRecorder delivers its last piece within milliseconds; the rest is for the network."""


class Socket(websocket.Socket):
    """Says errors as this protocol does."""

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        return [error_message(error)], websocket.CLOSE_CODES[error.code], error.message


class Connection:
    """Moves bytes in and updates out for one client, until one of them ends."""

    def __init__(self, socket: Socket, options: WebSocketOptions, sessions: Sessions) -> None:
        self._socket = socket
        self._options = options
        self._sessions = sessions

    async def serve(self, query: Mapping[str, str], *, peer: str, token: str | None) -> None:
        """Serve the client to its end. Raises nothing but cancellation: errors are sent to the client."""
        await self._socket.serve(self._converse(query, peer, token), peer)

    async def _converse(self, asked: Mapping[str, str], peer: str, token: str | None) -> None:
        with turning_away(self._sessions, transport="websocket", peer=peer):
            query = parse_query(asked, self._options.input)
            opening = await self._open(query, peer, token)
        async with opening as session:
            taken_up = session.taken_up if query.resume != "no" else None
            await self._socket.send_json(_config(query, taken_up, session.info))
            if not await converse(self._send(session, query), self._receive(session)):
                return
        # The place is free before the client reads that it is done: it may come back at once.
        await self._socket.say(READY_TO_STOP)
        await self._socket.await_close()
        await self._socket.hang_up(WSCloseCode.OK)

    async def _open(self, query: Query, peer: str, token: str | None) -> AbstractAsyncContextManager[Session]:
        asked: dict[str, Any] = {"transport": "websocket", "peer": peer, "query": query.wishes, "token": token}
        asked["priority"] = query.priority
        if query.channels is not None:
            return open_channels(self._sessions, query.offer, query.channels, **asked)
        return self._sessions.open(query.offer, **asked, resume=await self._resume(query))

    async def _resume(self, query: Query) -> str | None:
        """What `Sessions.open` wants to know: a client that goes on first says its continuation."""
        if query.resume != "continue":
            return None if query.resume == "no" else ""
        try:
            async with asyncio.timeout(self._options.close_timeout_seconds):
                message = await self._socket.receive()
        except TimeoutError:
            raise SessionError(Code.BAD_REQUEST, "resume=continue: no continuation came") from None
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise ConnectionResetError("the client went away")
        return continuation_in(message.data if message.type is WSMsgType.TEXT else "")

    async def _receive(self, session: Session) -> None:
        clock = asyncio.get_running_loop().time
        last_piece = math.inf
        ended = False

        async def take(message: WSMessage) -> bool:
            nonlocal last_piece, ended
            if message.type is WSMsgType.TEXT:
                await self._answer(message.data)
            elif ended:
                pass  # What comes behind the end.
            elif message.data:
                last_piece = clock()
                await session.feed(message.data)
            else:
                ended = True
                if clock() - last_piece > AT_ONCE_SECONDS:
                    await self._take_late_pieces(session)
                await session.finish()
            # To the last: the words may take a while, and a page asks meanwhile whether we are there.
            return True

        await self._socket.feed(session, take)

    async def _answer(self, text: str) -> None:
        """Browsers cannot see pings and pongs of the WebSocket itself, so pages ask in words whether we are there."""
        if text != PING:
            raise SessionError(Code.BAD_REQUEST, "text message: send audio in binary messages only")
        await self._socket.say(PONG)

    async def _take_late_pieces(self, session: Session) -> None:
        """Many pages end the audio in the wrong order: they stop the MediaRecorder, send the empty message, and only
        then get the recorder's last piece. Those that send the last piece first do so just before the empty message,
        and need no grace."""
        clock = asyncio.get_running_loop().time
        until = clock() + GRACE_SECONDS
        with contextlib.suppress(TimeoutError):
            while (left := until - clock()) > 0:
                message = await self._socket.receive(timeout=left)
                if message.type is WSMsgType.BINARY:
                    await session.feed(message.data)
                elif message.data == PING:
                    await self._answer(message.data)
                else:
                    return

    async def _send(self, session: Session, query: Query) -> None:
        """Send updates to the end. Waiting for a slow client here lets the session merge what it misses."""
        messages = DiffMessages(query.words) if query.mode == "diff" else FullMessages(query.words)
        if query.resume == "no":
            # Without a word: WhisperLiveKit's page shows the transcript before until the first update comes.
            await self._socket.say(messages.write(Update()))
        async for update in session.updates():
            await self._socket.say(messages.write(update))


def _config(query: Query, taken_up: TakenUp | None, info: SessionInfo) -> dict[str, object]:
    message: dict[str, object] = {"type": "config", "useAudioWorklet": query.offer == PCM, "ping": True}
    if query.mode == "diff":
        message["mode"] = "diff"
    if taken_up is not None:
        message["resume"] = taken_up_fields(taken_up)
    if info.diarization is not None or query.channels is not None:
        message["diarization"] = True
    if info.translation is not None:
        message["target_language"] = info.translation.target
    return message
