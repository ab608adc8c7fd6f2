"""A daemon without audio: sessions that do what a test tells them, behind the real transport and a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from wlkd_websocket.transport import WebSocket, WebSocketOptions

from wlkd import SessionError, SessionRefusal, StreamOffer, Update


@dataclass
class FakeSession:
    """Collects what it is fed; its updates and failures come from the test."""

    offer: StreamOffer
    wishes: dict[str, str]
    token: str | None
    fed: list[bytes] = field(default_factory=list)
    finished: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: `feed` waits."""
    queue: asyncio.Queue[Update | SessionError | None] = field(default_factory=asyncio.Queue)

    async def feed(self, data: bytes) -> None:
        await self.takes.wait()
        if data == b"rubbish":
            error = SessionError("undecodable_audio", "this is not audio")
            self.queue.put_nowait(error)
            raise error
        self.fed.append(data)

    async def flush(self) -> None:
        raise AssertionError("the WebSocket has no flush")

    async def finish(self) -> None:
        self.finished = True
        self.queue.put_nowait(None)

    async def updates(self) -> AsyncIterator[Update]:
        while (item := await self.queue.get()) is not None:
            if isinstance(item, SessionError):
                raise item
            yield item


class FakeSessions:
    def __init__(self) -> None:
        self.opened: list[FakeSession] = []
        self.refused: SessionRefusal | None = None

    @asynccontextmanager
    async def open(
        self,
        offer: StreamOffer,
        *,
        transport: str,
        peer: str,
        query: dict[str, str] | None = None,
        token: str | None = None,
        priority: str = "live",
    ) -> AsyncIterator[FakeSession]:
        assert (transport, priority) == ("websocket", "live")
        if (query or {}).get("language") == "xx":
            raise SessionError("bad_request", "language=xx: unknown")
        session = FakeSession(offer, dict(query or {}), token)
        session.takes.set()
        self.opened.append(session)
        try:
            yield session
        finally:
            session.closed.set()

    def refusal(self, token: str | None = None) -> SessionRefusal | None:
        return self.refused


class SharedHttp:
    """The daemon's HTTP server, for one address."""

    def __init__(self) -> None:
        self.application = web.Application()

    def app(self, host: str | None = None, port: int | None = None) -> web.Application:
        return self.application


@dataclass
class Rig:
    client: TestClient[Any, Any]
    sessions: FakeSessions

    async def connect(self, query: str = "", **kwargs: Any) -> aiohttp.ClientWebSocketResponse:
        return await self.client.ws_connect("/asr" + query, **kwargs)

    async def open(self, query: str = "") -> tuple[aiohttp.ClientWebSocketResponse, FakeSession]:
        """A connection that has received its config message, and the session behind it."""
        socket = await self.connect(query)
        assert (await socket.receive_json(timeout=5))["type"] == "config"
        return socket, self.sessions.opened[-1]


@pytest.fixture
async def rig() -> AsyncIterator[Callable[..., Any]]:
    """Call it with options of the transport; answers a `Rig`."""
    clients: list[TestClient[Any, Any]] = []

    async def build(**options: Any) -> Rig:
        http, sessions = SharedHttp(), FakeSessions()
        await WebSocket(WebSocketOptions(**options)).start(sessions, http)
        client = TestClient(TestServer(http.application))
        await client.start_server()
        clients.append(client)
        return Rig(client, sessions)

    yield build
    for client in clients:
        await client.close()
