"""One client on the live API, from the first message to the close frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType

from wlkd import Code, Session, SessionError
from wlkd.transports import websocket
from wlkd.transports.channels import Channels
from wlkd.transports.client_json import parsed
from wlkd.transports.conversation import converse, timed_updates
from wlkd_deepgram.control import configured, schema_error, unknown_type
from wlkd_deepgram.errors import CLOSE
from wlkd_deepgram.messages import Message, Results
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.query import PACKETS, Query

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions


class Socket(websocket.Socket):
    """Says errors as this protocol does."""

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        close_code, code = CLOSE[error.code]
        message = {
            "type": "Error",
            "variant": error.code,
            "code": code,
            "description": error.message,
            "message": error.message,
        }
        return [json.dumps(message, ensure_ascii=False)], close_code, f"{code}: {error.message}"


class Connection:
    """Moves bytes in and messages out for one client, until one of them ends."""

    def __init__(self, socket: Socket, options: DeepgramOptions, query: Query, metadata: Metadata) -> None:
        self._socket = socket
        self._packets = query.offer.encoding == PACKETS
        self._metadata = metadata
        count = metadata.channels = query.channels or 1
        self._results = [
            Results(query, metadata.request_id, options.final_seconds, (number, count)) for number in range(count)
        ]
        self._flushes = 0
        self._finished = 0
        """Channels of which all results were sent."""

    async def serve(self, session: Channels, owner: AsyncExitStack, peer: str) -> None:
        """Serve the client to its end; `owner` closes the session. Raises nothing but cancellation."""
        await self._socket.serve(self._converse(session, owner), peer)

    async def _converse(self, session: Channels, owner: AsyncExitStack) -> None:
        try:
            async with owner:
                if not await converse(
                    self._send(session), self._socket.feed(session, lambda m: self._take(session, m))
                ):
                    return
        finally:
            # The place is free before the client reads that it is done: it may come back at once.
            if self._finished == len(self._results):
                await self._send_all([{"type": "Metadata", **self._metadata.fields()}])
        await self._socket.hang_up(WSCloseCode.OK)

    async def _take(self, session: Session, message: WSMessage) -> bool:
        """Do what one message says; whether there may be more."""
        if message.type is WSMsgType.TEXT:
            return await self._control(session, message.data)
        if message.data:
            self._metadata.hear(message.data)
            await session.feed(packet(message.data) if self._packets else message.data)
        else:
            # How older clients end the stream.
            await session.finish()
        return bool(message.data)

    async def _control(self, session: Session, text: str) -> bool:
        try:
            control = control_object(text)
        except SessionError as error:
            await self._send_all([schema_error(text, error.message)])
            return True
        match control.get("type"):
            case "KeepAlive":
                with session.kept_waiting():
                    pass  # The time without audio counts from now on.
            case "Finalize":
                self._flushes += 1
                for results in self._results:
                    results.finalize(self._flushes)
                await session.flush()
            case "CloseStream":
                await session.finish()
                return False
            case "Configure":
                await self._send_all([configured(session, control, self._metadata.request_id)])
            case kind:
                # The protocol grows: a client's next version may send what this one does not know.
                await self._send_all([schema_error(text, unknown_type(kind))])
        return True

    async def _send(self, session: Channels) -> None:
        """Send the messages of every channel to the end. When one fails, the audio of the others ends too."""

        async def send(one: Session, results: Results) -> None:
            try:
                await self._send_one(one, results)
            except SessionError:
                await session.finish()
                raise

        for results in self._results:
            results.judged = session.info.turns
        answers = await asyncio.gather(*map(send, session.each, self._results), return_exceptions=True)
        for failure in answers:
            if failure is not None:
                raise failure

    async def _send_one(self, session: Session, results: Results) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with aclosing(timed_updates(session, lambda: results.wait_seconds(clock()))) as updates:
                async for update in updates:
                    if update is not None:
                        self._metadata.take(update)
                        await self._send_all(results.on_update(update, clock()))
                        self._finished += update.final
                    await self._send_all(results.on_time(clock()))
        except SessionError:
            await self._send_all(results.rest())
            raise

    async def _send_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            await self._socket.say(json.dumps(message, ensure_ascii=False))


def packet(data: bytes) -> bytes:
    """A message that is a packet, as the decoder of packets takes it: behind its length."""
    return len(data).to_bytes(4, "big") + data


def control_object(text: str) -> dict[str, Any]:
    """A control message. Raises `SessionError`."""
    try:
        message = parsed(text)
    except ValueError as error:
        raise SessionError(Code.BAD_REQUEST, f"text message that is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise SessionError(Code.BAD_REQUEST, "a control message must be a JSON object")
    return message
