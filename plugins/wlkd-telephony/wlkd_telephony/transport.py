"""The telephony transport: its options and its doors."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import Field

from wlkd import Code, Http, Session, SessionError, Sessions, Transport
from wlkd.transports import websocket
from wlkd.transports.channels import Channels, open_channels
from wlkd.transports.conversation import feed_all, running, see_through
from wlkd.transports.http import STATUS, answering, bearer, check_token, error_headers, peer_of
from wlkd.transports.websocket import SocketOptions
from wlkd_telephony import audiosocket, freeswitch, twilio
from wlkd_telephony.calls import Call, Calls, Message, error_message, transcriptions

READ_BYTES = 16 * 1024
FIRST_SECONDS = 10.0
"""What a call gets to say which one it is."""


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
    """`/telephony/twilio`, `/telephony/freeswitch`, a port for AudioSocket; `/telephony/calls/NAME` for listeners."""

    _server: asyncio.Server | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        self._calls = Calls()
        self._tasks: set[asyncio.Task[None]] = set()
        router = http.app(self.config.host, self.config.port).router
        router.add_get("/telephony/twilio", answering(self._twilio, _refused))
        router.add_get("/telephony/freeswitch", answering(self._freeswitch, _refused))
        router.add_get("/telephony/calls/{call}", answering(self._listener, _refused))
        if self.config.audiosocket_port is not None:
            bound = http.bound_socket(self.config.audiosocket_host, self.config.audiosocket_port)
            self._server = await asyncio.start_server(self._accept, sock=bound)

    async def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        await self.stop_accepting()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # The doors -------------------------------------------------------------------------------------------------

    async def _twilio(self, request: web.Request) -> web.StreamResponse:
        socket = await self._upgraded(request, admit=False)
        await socket.serve(self._hear_twilio(socket, peer_of(request)), peer_of(request))
        return socket

    async def _freeswitch(self, request: web.Request) -> web.StreamResponse:
        socket = await self._upgraded(request, admit=True)
        token = bearer(request) or request.query.get("token")
        conversation = self._hear_freeswitch(socket, request.query, peer_of(request), token)
        await socket.serve(conversation, peer_of(request))
        return socket

    async def _listener(self, request: web.Request) -> web.StreamResponse:
        check_token(self._sessions, bearer(request) or request.query.get("token"))
        socket = await self._upgraded(request, admit=False)
        await socket.serve(self._tell(socket, request.match_info["call"]), peer_of(request))
        return socket

    async def _upgraded(self, request: web.Request, *, admit: bool) -> Socket:
        """`admit`: there is a place, and the token is good. Twilio's token comes later."""
        if admit:
            token = bearer(request) or request.query.get("token")
            self._sessions.check(transport="telephony", peer=peer_of(request), token=token)
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        socket = Socket(self.config, [name.strip() for name in offered if name.strip()])
        if not socket.can_prepare(request).ok:
            raise SessionError(Code.BAD_REQUEST, "this is a WebSocket: connect with ws:// or wss://")
        await socket.prepare(request)
        return socket

    async def _tell(self, socket: Socket, name: str) -> None:
        with self._calls.call(name) as call:
            async with running(_drop_all(socket), _send_all(socket, call)) as (leaving, telling):
                await asyncio.wait({leaving, telling}, return_when=asyncio.FIRST_COMPLETED)
        await socket.hang_up(WSCloseCode.OK)

    # Calls -----------------------------------------------------------------------------------------------------

    async def _hear_twilio(self, socket: Socket, peer: str) -> None:
        started: twilio.Started | None = None
        async with _soon():
            while started is None:
                match twilio.parse(_text(await socket.receive())):
                    case twilio.Started() as event:
                        started = event
                    case twilio.Stopped():
                        return
        wishes, token = dict(started.parameters), started.parameters.get("token")
        async with AsyncExitStack() as owner:
            opened: list[Session] = [
                await owner.enter_async_context(
                    self._sessions.open(started.offer, transport="telephony", peer=peer, query=wishes, token=token)
                )
                for _ in started.tracks
            ]
            session = Channels(opened)

            async def hear() -> None:
                async for message in socket:
                    match twilio.parse(_text(message)):
                        case twilio.Media(track, audio) if track in started.tracks:
                            await opened[started.tracks.index(track)].feed(audio)
                        case twilio.Stopped():
                            break
                await session.finish()

            with self._calls.call(started.call or started.stream) as call:
                await self._transcribe(session, call, hear())
        await socket.hang_up(WSCloseCode.OK)

    async def _hear_freeswitch(self, socket: Socket, query: Mapping[str, str], peer: str, token: str | None) -> None:
        async with _soon():
            first = await socket.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        told = freeswitch.metadata(first.data) if first.type is WSMsgType.TEXT else {}
        stream = freeswitch.opening(query, told)

        async def pieces() -> AsyncIterator[bytes]:
            if first.type is WSMsgType.BINARY:
                yield first.data
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    if not message.data:
                        return
                    yield message.data

        async with open_channels(
            self._sessions,
            stream.offer,
            stream.channels,
            transport="telephony",
            peer=peer,
            query=stream.wishes,
            token=told.get("token", token),
        ) as session:
            with self._calls.call(stream.call or uuid.uuid4().hex) as call:
                await self._transcribe(session, call, feed_all(session, pieces()), socket)
        await socket.hang_up(WSCloseCode.OK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("unknown",))[0])

        async def hang_up(error: SessionError) -> None:
            writer.write(audiosocket.HEADER.pack(audiosocket.HANGUP, 0))

        task = asyncio.create_task(see_through(self._hear_audiosocket(reader, peer), hang_up, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())

    async def _hear_audiosocket(self, reader: asyncio.StreamReader, peer: str) -> None:
        events = _events(reader)
        name, first = "", None
        async with _soon():
            async for event in events:
                if isinstance(event, audiosocket.Identity):
                    name = event.call
                elif isinstance(event, audiosocket.Audio):
                    first = event
                    break
                else:
                    return
        if first is None:
            return

        async def pieces() -> AsyncIterator[bytes]:
            yield first.samples
            async for event in events:
                if isinstance(event, audiosocket.Audio):
                    yield event.samples

        async with self._sessions.open(first.offer, transport="telephony", peer=peer) as session:
            with self._calls.call(name or uuid.uuid4().hex) as call:
                await self._transcribe(Channels([session]), call, feed_all(session, pieces()))

    async def _transcribe(
        self, session: Channels, call: Call, hearing: Awaitable[None], back: Socket | None = None
    ) -> None:
        """From the first audio to the last word, also when the caller hangs up before it. `back`: the switch takes
        text, and gets it too."""

        async def hear() -> None:
            try:
                await hearing
            except SessionError as error:
                await session.finish(error)
            except BaseException:
                await session.finish()
                raise

        async def tell(messages: list[Message]) -> None:
            await call.say(messages)
            if back is not None and not back.closed:
                for message in messages:
                    await back.say(json.dumps(message, ensure_ascii=False))

        async with running(hear()):
            try:
                async for update in session.updates():
                    if messages := transcriptions(update, call.name):
                        await tell(messages)
            except SessionError as error:
                await call.say([error_message(error, call.name)])
                raise
            finally:
                await call.end()


@asynccontextmanager
async def _soon() -> AsyncIterator[None]:
    """What a call says first must not take long."""
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            yield
    except TimeoutError:
        raise SessionError(Code.IDLE_TIMEOUT, "the call does not say which one it is") from None


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[audiosocket.Event]:
    """To the end of the call, or of the connection."""
    frames = audiosocket.Frames()
    while data := await reader.read(READ_BYTES):
        for event in frames.feed(data):
            if isinstance(event, audiosocket.Hangup):
                return
            yield event


async def _send_all(socket: Socket, call: Call) -> None:
    async for text in call.listen():
        await socket.say(text)


async def _drop_all(socket: Socket) -> None:
    async for _ in socket:
        continue


def _text(message: WSMessage) -> str:
    if message.type is WSMsgType.TEXT:
        return str(message.data)
    if message.type is WSMsgType.BINARY:
        raise SessionError(Code.BAD_REQUEST, "messages are text; is this Twilio Media Streams?")
    raise ConnectionResetError("the call ended before it began")


def _refused(request: web.Request, error: SessionError) -> web.Response:
    return web.json_response(error_message(error, ""), status=STATUS[error.code], headers=error_headers(error))
