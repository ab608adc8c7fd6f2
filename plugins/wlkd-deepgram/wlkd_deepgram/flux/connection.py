"""One client on `/v2/listen`, from `Connected` to the close frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType

from wlkd import BadParameter, Session, SessionError
from wlkd.transports.conversation import converse, timed_updates
from wlkd_deepgram.connection import Socket, control_object, packet
from wlkd_deepgram.control import unknown_type
from wlkd_deepgram.flux.query import MULTILINGUAL, FluxQuery
from wlkd_deepgram.flux.turns import Turns
from wlkd_deepgram.messages import Message
from wlkd_deepgram.query import PACKETS
from wlkd_deepgram.text import filter_wishes

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions

KNOWN = "CloseStream, Configure, ForceEndTurn"


class FluxSocket(Socket):
    """Numbers its messages, as this protocol wants it."""

    def __init__(self, options: DeepgramOptions, protocols: Sequence[str], request_id: str) -> None:
        super().__init__(options, protocols)
        self.headers["dg-request-id"] = request_id
        self._request_id = request_id
        self._sequence = 0

    async def tell(self, message: Message) -> None:
        await self.say(json.dumps(self._numbered(message), ensure_ascii=False))

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        messages, code, reason = super().parting(error)
        return [json.dumps(self._numbered(json.loads(one)), ensure_ascii=False) for one in messages], code, reason

    def _numbered(self, message: Message) -> Message:
        self._sequence += 1
        return {"request_id": self._request_id, "sequence_id": self._sequence - 1, **message}


class FluxConnection:
    """Moves bytes in and turns out for one client, until one of them ends."""

    def __init__(self, socket: FluxSocket, query: FluxQuery) -> None:
        self._socket = socket
        self._query = query
        self._turns = Turns(query.thresholds, multilingual=query.model == MULTILINGUAL)
        self._packets = query.offer.encoding == PACKETS
        self._flushes = 0

    async def serve(self, session: Session, owner: AsyncExitStack, peer: str) -> None:
        """Serve the client to its end; `owner` closes the session. Raises nothing but cancellation."""
        await self._socket.serve(self._converse(session, owner), peer)

    async def _converse(self, session: Session, owner: AsyncExitStack) -> None:
        self._turns.judged = session.info.turns
        async with owner:
            await self._socket.tell({"type": "Connected"})
            receiving = self._socket.feed(session, lambda message: self._take(session, message))
            if not await converse(self._send(session), receiving):
                return
        await self._socket.hang_up(WSCloseCode.OK)

    async def _take(self, session: Session, message: WSMessage) -> bool:
        """Do what one message says; whether there may be more."""
        if message.type is not WSMsgType.TEXT:
            await session.feed(packet(message.data) if self._packets else message.data)
            return True
        control = control_object(message.data)
        match control.get("type"):
            case "CloseStream":
                await session.finish()
                return False
            case "ForceEndTurn":
                self._flushes += 1
                self._turns.force(self._flushes)
                await session.flush()
            case "Configure":
                await self._socket.tell(self._configured(session, control))
            case kind:
                text = unknown_type(kind, KNOWN)
                await self._socket.tell({"type": "Warning", "code": "UNKNOWN_MESSAGE", "description": text})
        return True

    def _configured(self, session: Session, message: dict[str, Any]) -> Message:
        """Change what `Configure` names, all of it or nothing, and say whether that was done."""
        try:
            thresholds = message.get("thresholds") or {}
            if not isinstance(thresholds, dict):
                raise BadParameter("thresholds", "thresholds must be an object")
            changed = self._turns.thresholds.with_values(thresholds)
            for name, known in (("keyterms", self._query.keyterms), ("language_hints", self._query.language_hints)):
                value = message.get(name)
                if value is not None and value != list(known) and [value] != list(known):
                    raise BadParameter(name, f"{name} cannot change inside a stream; name them in the address")
            numerals = message.get("numerals")
            if not isinstance(numerals, bool | None):
                raise BadParameter("numerals", f"numerals={numerals!r}: must be true or false")
            if numerals is not None:
                session.change(filter_wishes({"numerals": numerals}))
        except SessionError as error:
            return {"type": "ConfigureFailure", "code": "INVALID_CONFIGURATION", "description": error.message}
        self._turns.thresholds = changed
        return {
            "type": "ConfigureSuccess",
            "thresholds": changed.fields(),
            "keyterms": list(self._query.keyterms),
            "language_hints": list(self._query.language_hints),
            **({} if numerals is None else {"numerals": numerals}),
        }

    async def _send(self, session: Session) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with aclosing(timed_updates(session, lambda: self._turns.wait_seconds(clock()))) as updates:
                async for update in updates:
                    if update is not None:
                        await self._tell_all(self._turns.on_update(update, clock()))
                    await self._tell_all(self._turns.on_time(clock()))
        except SessionError:
            await self._tell_all(self._turns.rest())
            raise

    async def _tell_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            await self._socket.tell(message)
