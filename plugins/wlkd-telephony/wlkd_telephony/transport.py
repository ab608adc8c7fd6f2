"""The telephony transport: its options and its doors."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import TypeVar

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import Field

from wlkd import Code, Http, Session, SessionError, Sessions, Transport
from wlkd.transports import websocket
from wlkd.transports.channels import Channels, open_channels
from wlkd.transports.conversation import converse, feed_all, turning_away
from wlkd.transports.http import STATUS, answering, bearer, check_token, error_headers, peer_of, subprotocols
from wlkd.transports.websocket import SocketOptions
from wlkd_telephony import asterisk, freeswitch, twilio
from wlkd_telephony.audiosocket_port import AudioSocketPort
from wlkd_telephony.calls import Call, Calls, error_message
from wlkd_telephony.real_time import in_real_time
from wlkd_telephony.transcribing import soon, transcribe

S = TypeVar("S", bound=websocket.Socket)
WISHES = ("language", "languages", "hotwords", "initial_prompt", "filters", "diarize")
"""What the query of an address, a first text, or Twilio's parameters may ask for."""


class TelephonyOptions(SocketOptions):
    """Options of the transport `telephony`."""

    audiosocket_host: str = Field("127.0.0.1", description="Address to listen on for Asterisk's AudioSocket.")
    audiosocket_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="TCP port for Asterisk's AudioSocket; null: none. That protocol has no tokens.",
    )


class Socket(websocket.Socket):
    """Says errors as this transport does."""

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        text = json.dumps(error_message(error, ""), ensure_ascii=False)
        return [text], websocket.CLOSE_CODES[error.code], error.message


class Telephony(Transport[TelephonyOptions]):
    """`/telephony/{twilio,freeswitch,asterisk}`, a port for AudioSocket; `/telephony/calls/NAME` for listeners."""

    _audiosocket: AudioSocketPort | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        self._calls = Calls()
        router = http.app(self.config.host, self.config.port).router
        router.add_get("/telephony/twilio", answering(self._twilio, self._refused))
        router.add_get("/telephony/freeswitch", answering(self._freeswitch, self._refused))
        router.add_get("/telephony/asterisk", answering(self._asterisk, self._refused))
        router.add_get("/telephony/calls/{call}", answering(self._listener, _told))
        if self.config.audiosocket_port is not None:
            bound = http.bound_socket(self.config.audiosocket_host, self.config.audiosocket_port)
            self._audiosocket = AudioSocketPort(sessions, self._calls)
            await self._audiosocket.start(bound)

    async def stop_accepting(self) -> None:
        if self._audiosocket is not None:
            self._audiosocket.stop_accepting()

    async def close(self) -> None:
        if self._audiosocket is not None:
            await self._audiosocket.close()

    # The doors -------------------------------------------------------------------------------------------------

    async def _twilio(self, request: web.Request) -> web.StreamResponse:
        socket = await self._upgraded(request, Socket, admit=False)
        await self._serve(socket, self._hear_twilio(socket, peer_of(request)), peer_of(request))
        return socket

    async def _freeswitch(self, request: web.Request) -> web.StreamResponse:
        peer, token = peer_of(request), _token(request)
        refusal = self._sessions.refusal(token, peer)
        # Who shows no token here may have it in the first text.
        later = token is None and refusal is not None and refusal.code is Code.UNAUTHORIZED
        socket = await self._upgraded(request, Socket, admit=not later)
        conversation = self._hear_freeswitch(socket, request.query, peer, token)
        await self._serve(socket, conversation, peer)
        return socket

    async def _asterisk(self, request: web.Request) -> web.StreamResponse:
        socket = await self._upgraded(request, websocket.Socket, admit=True)
        conversation = self._hear_asterisk(socket, request.query, peer_of(request), _token(request))
        await self._serve(socket, conversation, peer_of(request))
        return socket

    async def _listener(self, request: web.Request) -> web.StreamResponse:
        check_token(self._sessions, _token(request))
        socket = await self._upgraded(request, Socket, admit=False)
        await socket.serve(self._tell(socket, request.match_info["call"]), peer_of(request))
        return socket

    async def _upgraded(self, request: web.Request, kind: type[S], *, admit: bool) -> S:
        """`admit`: there is a place, and the token is good. Twilio's token comes later, and FreeSWITCH's may."""
        if admit:
            self._sessions.check(transport="telephony", peer=peer_of(request), token=_token(request))
        socket = kind(self.config, subprotocols(request))
        if not socket.can_prepare(request).ok:
            raise SessionError(Code.BAD_REQUEST, "this is a WebSocket: connect with ws:// or wss://")
        await socket.prepare(request)
        return socket

    async def _serve(self, socket: websocket.Socket, conversation: Awaitable[None], peer: str) -> None:
        async def hear() -> None:
            with turning_away(self._sessions, transport="telephony", peer=peer):
                await conversation

        await socket.serve(hear(), peer)

    async def _tell(self, socket: Socket, name: str) -> None:
        with self._calls.listened_to(name) as call:
            await converse(_send_all(socket, call), _drop_all(socket))
        await socket.hang_up(WSCloseCode.OK)

    def _refused(self, request: web.Request, error: SessionError) -> web.Response:
        self._sessions.turned_away(error, transport="telephony", peer=peer_of(request))
        return _told(request, error)

    # Calls -----------------------------------------------------------------------------------------------------

    async def _hear_twilio(self, socket: Socket, peer: str) -> None:
        started: twilio.Started | None = None
        async with soon():
            while started is None:
                match twilio.parse(_text(await socket.receive())):
                    case twilio.Started() as event:
                        started = event
                    case twilio.Stopped():
                        return
        began = asyncio.get_running_loop().time()
        # The others are for the application that listens to the call.
        wishes, token = _wishes(started.parameters), started.parameters.get("token")
        # Before it speaks in a call that has listeners.
        self._sessions.check(transport="telephony", peer=peer, token=token)
        async with (
            self._calls.speaking(started.call or started.stream, len(started.tracks)) as (call, number),
            AsyncExitStack() as owner,
        ):
            opened: list[Session] = [
                await owner.enter_async_context(
                    self._sessions.open(started.raw.offer, transport="telephony", peer=peer, query=wishes, token=token)
                )
                for _ in started.tracks
            ]
            session = Channels(opened)
            tracks = twilio.Tracks(started.tracks, started.raw)

            async def hear() -> None:
                async for message in socket:
                    match twilio.parse(_text(message)):
                        case twilio.Media() as media:
                            for track, audio in tracks.take(media, asyncio.get_running_loop().time() - began):
                                await opened[started.tracks.index(track)].feed(audio)
                        case twilio.Stopped():
                            break
                await session.finish()

            await transcribe(session, call, number, hear())
        await socket.hang_up(WSCloseCode.OK)

    async def _hear_freeswitch(self, socket: Socket, query: Mapping[str, str], peer: str, token: str | None) -> None:
        async with soon():
            first = await socket.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        told = freeswitch.metadata(first.data) if first.type is WSMsgType.TEXT else {}
        stream = freeswitch.opening(query, told)
        token = told.get("token", token)
        # Before it speaks in a call that has listeners.
        self._sessions.check(transport="telephony", peer=peer, token=token)

        async def pieces() -> AsyncIterator[bytes]:
            if first.type is WSMsgType.BINARY:
                yield first.data
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    if not message.data:
                        return
                    yield message.data

        async with (
            self._calls.speaking(stream.call or uuid.uuid4().hex, stream.channels or 1) as (call, number),
            open_channels(
                self._sessions,
                stream.offer,
                stream.channels,
                transport="telephony",
                peer=peer,
                query=_wishes(stream.said),
                token=token,
            ) as session,
        ):
            await transcribe(session, call, number, feed_all(session, pieces()), socket)
        await socket.hang_up(WSCloseCode.OK)

    async def _hear_asterisk(
        self, socket: websocket.Socket, query: Mapping[str, str], peer: str, token: str | None
    ) -> None:
        async with soon():
            started = asterisk.started(_text(await socket.receive()))
        began = asyncio.get_running_loop().time()

        async def audio() -> AsyncIterator[bytes]:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    yield message.data

        async with self._calls.speaking(query.get("call") or started.channel) as (call, number):
            raw = started.raw()
            async with (
                self._sessions.open(
                    raw.offer, transport="telephony", peer=peer, query=_wishes(query), token=token
                ) as session,
                aclosing(in_real_time(audio(), raw, began)) as pieces,
            ):
                await transcribe(Channels([session]), call, number, feed_all(session, pieces))
        await socket.hang_up(WSCloseCode.OK)


async def _send_all(socket: Socket, call: Call) -> None:
    async for text in call.listen():
        await socket.say(text)


async def _drop_all(socket: Socket) -> None:
    async for _ in socket:
        continue


def _told(request: web.Request, error: SessionError) -> web.Response:
    """The answer to a request that fails. A listener gets only that: it wants no session, so it is not turned away."""
    return web.json_response(error_message(error, ""), status=STATUS[error.code], headers=error_headers(error))


def _token(request: web.Request) -> str | None:
    return bearer(request) or request.query.get("token")


def _wishes(said: Mapping[str, str]) -> dict[str, str]:
    return {name: said[name] for name in WISHES if said.get(name)}


def _text(message: WSMessage) -> str:
    if message.type is WSMsgType.TEXT:
        return str(message.data)
    if message.type is WSMsgType.BINARY:
        raise SessionError(Code.BAD_REQUEST, "a text was to come here, and audio came; is this the right address?")
    raise ConnectionResetError("the call ended before it began")
