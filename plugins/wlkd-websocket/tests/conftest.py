"""A daemon without audio: sessions that do what a test tells them, behind the real transport and a real socket.

And a reverse proxy for the real daemon, whose connections can be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from wlkd_websocket.transport import WebSocket, WebSocketOptions

from wlkd import SessionError
from wlkd.testing import MadeUpSession, MadeUpSessions, RunningDaemon


class SharedHttp:
    """The daemon's HTTP server, for one address."""

    def __init__(self) -> None:
        self.application = web.Application()

    def app(self, host: str | None = None, port: int | None = None) -> web.Application:
        return self.application


@dataclass
class Rig:
    client: TestClient[Any, Any]
    sessions: MadeUpSessions

    async def connect(self, query: str = "", **kwargs: Any) -> aiohttp.ClientWebSocketResponse:
        return await self.client.ws_connect("/asr" + query, **kwargs)

    async def open(self, query: str = "") -> tuple[aiohttp.ClientWebSocketResponse, MadeUpSession]:
        """A connection that has received its config message and the first update, and the session behind it."""
        socket = await self.connect(query)
        assert (await socket.receive_json(timeout=30))["type"] == "config"
        first = await socket.receive_json(timeout=30)
        assert (first["type"], first["status"], first["lines"]) == ("transcript_update", "no_audio_detected", [])
        return socket, self.sessions.opened[-1]


def refuse_rubbish(session: MadeUpSession) -> None:
    def on_feed(session: MadeUpSession) -> None:
        if session.fed[-1] == b"rubbish":
            session.fail(SessionError("undecodable_audio", "this is not audio"))

    session.on_feed = on_feed


@pytest.fixture
async def rig() -> AsyncIterator[Callable[..., Any]]:
    """Call it with options of the transport; answers a `Rig`."""
    clients: list[TestClient[Any, Any]] = []

    async def build(**options: Any) -> Rig:
        http, sessions = SharedHttp(), MadeUpSessions(refuse_rubbish)
        await WebSocket(WebSocketOptions(**options)).start(sessions, http)
        client = TestClient(TestServer(http.application))
        await client.start_server()
        clients.append(client)
        return Rig(client, sessions)

    yield build
    for client in clients:
        await client.close()


class Proxy:
    """A reverse proxy that serves a daemon below `/speech/`, and can break every connection.

    Not `resumable`: the daemon behind it does as one that cannot resume.
    """

    def __init__(self, daemon: RunningDaemon, resumable: bool) -> None:
        self._daemon = daemon
        self._resumable = resumable
        self._open: set[asyncio.BaseTransport] = set()
        self._mute = False
        self.accepting = True
        self.url = ""

    def mute(self) -> None:
        """Let nothing through, as a network does that has died without a word."""
        self._mute = True

    def unmute(self) -> None:
        """Let through again what comes from now on."""
        self._mute = False

    def cut(self) -> None:
        """Break what is open and take nothing new."""
        self.accepting = self._mute = False
        for transport in self._open:
            transport.abort()  # type: ignore[attr-defined]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self.accepting:
            request.transport.abort()
        path = request.rel_url.raw_path_qs.removeprefix("/speech")
        if not self._resumable:
            path = path.replace("resume=", "ignored=")
        async with aiohttp.ClientSession() as client:
            if request.headers.get("Upgrade", "").lower() != "websocket":
                async with client.get(self._daemon.http + path) as answer:
                    headers = {"Content-Type": answer.headers["Content-Type"]}
                    return web.Response(body=await answer.read(), status=answer.status, headers=headers)
            front = web.WebSocketResponse()
            await front.prepare(request)
            self._open.add(request.transport)
            async with client.ws_connect(self._daemon.ws + path, max_msg_size=0) as back:
                pumps = {asyncio.create_task(self._pump(*way)) for way in ((front, back), (back, front))}
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            return front

    async def _pump(self, source: Any, target: Any) -> None:
        async for message in source:
            if not self._mute:
                data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                await target.send_frame(data, message.type)
        await target.close()


@pytest.fixture
def proxied() -> Callable[..., AbstractAsyncContextManager[Proxy]]:
    @asynccontextmanager
    async def proxied(daemon: RunningDaemon, resumable: bool = True) -> AsyncIterator[Proxy]:
        proxy, app = Proxy(daemon, resumable), web.Application()
        app.router.add_get("/speech/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}/speech/"
        try:
            yield proxy
        finally:
            await runner.cleanup()

    return proxied
