"""For the tests of transports: sessions without audio, and the contract that every transport keeps."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from wlkd.contract.components import Transport
from wlkd.contract.errors import Code, SessionError, SessionRefused
from wlkd.contract.host import Capabilities, EngineInfo, Occupancy
from wlkd.contract.types import (
    Abilities,
    KnownSpeaker,
    Line,
    Priority,
    RecognitionParams,
    SessionInfo,
    StreamOffer,
    TakenUp,
    Update,
    Word,
)
from wlkd.daemon.listeners import HttpServer
from wlkd.testing.contracts import provisioned

PORTS = range(20_000, 32_768)
"""Below those that the kernel gives to outgoing connections: nobody takes one of these between here and its use."""


@functools.cache
def _own_ports() -> Iterator[int]:
    """Those of this process, in any order: with pytest-xdist, no other process of the run is given one of them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    return itertools.cycle(random.sample(own, len(own)))


def free_port() -> int:
    """A TCP port that nobody listens on, and that no test beside this one is given."""
    while True:
        port = next(_own_ports())
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class MadeUpSession:
    """A session without audio: collects what it is fed, and says what `says` has, then `end`."""

    def __init__(self, info: SessionInfo, query: dict[str, str], token: str | None) -> None:
        self.info = info
        self.query = query
        self.token = token
        self.fed: list[bytes] = []
        self.finished = False
        self.flushes = 0
        self.takes = asyncio.Event()
        """Cleared: `feed` waits."""
        self.takes.set()
        self.heard = asyncio.Event()
        """It was fed something."""
        self.closed = asyncio.Event()
        self.taken_up: TakenUp | None = None
        self.says: asyncio.Queue[Update | SessionError | None] = asyncio.Queue()
        """Updates in their order; an error fails the session, None ends it."""
        self.error: SessionError | None = None
        self.on_feed: Callable[[MadeUpSession], None] = lambda session: None
        self.on_end: Callable[[MadeUpSession], None] = lambda session: None

    async def feed(self, data: bytes) -> None:
        await self.takes.wait()
        if self.error is not None:
            raise self.error
        self.fed.append(data)
        self.on_feed(self)
        self.heard.set()

    async def flush(self) -> None:
        self.flushes += 1
        self.says.put_nowait(Update(flushes=self.flushes, segment_end=True))

    def change(self, query: Mapping[str, str]) -> None:
        self.query.update(query)

    async def finish(self, mistake: SessionError | None = None) -> None:
        if not self.finished:
            self.finished = True
            self.on_end(self)
            self.says.put_nowait(mistake)

    def kept_waiting(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def fail(self, error: SessionError) -> None:
        """Take no more, and raise `error` after what was said before."""
        self.error = error
        self.says.put_nowait(error)

    async def updates(self) -> AsyncIterator[Update]:
        while (item := await self.says.get()) is not None:
            if isinstance(item, SessionError):
                item.counted = True
                raise item
            yield item


class MadeUpSessions:
    """`Sessions` for a transport under test."""

    def __init__(self, prepare: Callable[[MadeUpSession], None] = lambda session: None) -> None:
        self.opened: list[MadeUpSession] = []
        self.refused: SessionRefused | None = None
        self.refuses_to_open: SessionError | None = None
        self.counted: list[SessionError] = []
        """Those who were turned away."""
        self.further_engines: tuple[EngineInfo, ...] = ()
        self._prepare = prepare

    @asynccontextmanager
    async def open(
        self,
        offer: StreamOffer,
        *,
        transport: str,
        peer: str,
        query: dict[str, str] | None = None,
        token: str | None = None,
        priority: Priority = "live",
        resume: str | None = None,
        known_speakers: Sequence[KnownSpeaker] = (),
    ) -> AsyncIterator[MadeUpSession]:
        if (error := self.refuses_to_open or self.refused) is not None:
            raise self._count(error)
        params = RecognitionParams(priority=priority)
        session = MadeUpSession(SessionInfo("1", transport, peer, offer, params, 0.0), dict(query or {}), token)
        self._prepare(session)
        self.opened.append(session)
        try:
            yield session
        except SessionError as failure:
            failure.counted = True
            raise
        finally:
            session.closed.set()

    def languages(self) -> frozenset[str]:
        return frozenset({"de", "en"})

    def occupancy(self) -> Occupancy:
        return Occupancy(len(self.opened), 24, False)

    def capabilities(self) -> Capabilities:
        engine = EngineInfo("default", "made-up", "", ("de", "en"), ("transcribe", "translate"), Abilities())
        engines = (engine, *self.further_engines)
        return Capabilities(engine.languages, "auto", engine.tasks, "simplified", False, engines=engines)

    def refusal(
        self, token: str | None = None, peer: str | None = None, *, resuming: bool = False
    ) -> SessionRefused | None:
        return self.refused

    def check(self, *, transport: str, peer: str, token: str | None = None, resuming: bool = False) -> None:
        if self.refused is not None:
            raise self._count(self.refused)

    def turned_away(self, error: SessionError, *, transport: str, peer: str) -> None:
        if not error.counted:
            self._count(error)

    def grant(self, token: str | None, seconds: int, note: str = "") -> tuple[str, int]:
        raise SessionRefused(Code.UNAUTHORIZED, "no short-lived keys here")

    def note(self, token: str | None) -> str:
        return ""

    def _count(self, error: SessionError) -> SessionError:
        error.counted = True
        self.counted.append(error)
        return error


@dataclass(frozen=True)
class Told:
    """What a client was told, to the end of its connection."""

    text: str
    """The final words."""
    error: str | None = None
    """The error in the protocol's words; None: it was told that all went well."""


Client = Callable[[int, bytes], Awaitable[Told]]
"""A client of a transport on that port of 127.0.0.1: sends this audio, ends it, and reads to the end."""

AUDIO = bytes(range(256)) * 50
REFUSALS = (Code.UNAUTHORIZED, Code.SERVER_FULL, Code.DRAINING)


async def check_transport(transport: Callable[[int], Transport[Any]], client: Client, *mistaken: Client) -> None:
    """The contract of transports: every byte reaches the session; a client reads every word before it is told the
    end; each `Code` and each refusal is told with its message; a place is free once its client has been told; a
    client that leaves ends its session; who is turned away is counted once.

    `transport` builds one that listens on the port if it has one of its own; an HTTP transport needs no port.
    `mistaken`: clients that the transport itself turns away, for what they ask before they have a session.
    """
    await _check_words(transport, client)
    for code in Code:
        await _check_failure(transport, client, code)
    await _check_refusals(transport, client)
    for each in mistaken:
        await _check_mistake(transport, each)
    await _check_leaving(transport, client)


async def _check_words(transport: Callable[[int], Transport[Any]], client: Client) -> None:
    """All goes well."""
    async with _rehearsal(transport, _all_goes_well) as (port, sessions):
        told = await client(port, AUDIO)
        assert told == Told("hello world"), told
        assert b"".join(sessions.opened[-1].fed) == AUDIO
        await _all_closed(sessions)


async def _check_failure(transport: Callable[[int], Transport[Any]], client: Client, code: Code) -> None:
    """The session fails with `code` when it is fed."""
    error = SessionError(code, f"so that {code} is told")

    def fail(session: MadeUpSession) -> None:
        session.on_feed = lambda session: session.fail(error)

    async with _rehearsal(transport, fail) as (port, sessions):
        told = await client(port, AUDIO)
        assert told.error is not None and error.message in told.error, f"{code}: {told}"
        await _all_closed(sessions)
        assert not sessions.counted, "what ends a session is no refusal"


async def _check_refusals(transport: Callable[[int], Transport[Any]], client: Client) -> None:
    """The client is turned away: before it says what it wants, and for what it wants."""
    refusals = [SessionRefused(code, f"so that {code} is told", 7) for code in Code if code in REFUSALS]
    async with _rehearsal(transport, _all_goes_well) as (port, sessions):
        for refusal in refusals:
            sessions.refused = refusal
            told = await client(port, AUDIO)
            assert told.error is not None and refusal.message in told.error, f"{refusal.code}: {told}"
        assert sessions.counted == refusals, "a client that is turned away is counted once"
        mistake = SessionError(Code.BAD_REQUEST, "so that it is told")
        sessions.refused, sessions.refuses_to_open = None, mistake
        told = await client(port, AUDIO)
        assert told.error is not None and mistake.message in told.error, told
        assert sessions.counted == [*refusals, mistake], "a client that is turned away is counted once"


async def _check_mistake(transport: Callable[[int], Transport[Any]], mistaken: Client) -> None:
    """The transport itself turns the client away."""
    async with _rehearsal(transport, _all_goes_well) as (port, sessions):
        told = await mistaken(port, AUDIO)
        assert told.error is not None and not sessions.opened, f"no mistake was found: {told}"
        assert [error.message in told.error for error in sessions.counted] == [True], (
            f"a client that is turned away is counted once, with what it is told: {told}, {sessions.counted}"
        )


async def _check_leaving(transport: Callable[[int], Transport[Any]], client: Client) -> None:
    """The client leaves in the middle."""
    async with _rehearsal(transport, lambda session: None) as (port, sessions):
        leaving = asyncio.ensure_future(client(port, AUDIO))
        while not sessions.opened:
            assert not leaving.done(), "the client ended by itself"
            await asyncio.sleep(0.01)
        await asyncio.wait_for(sessions.opened[0].heard.wait(), 5)
        leaving.cancel()
        await asyncio.wait_for(sessions.opened[0].closed.wait(), 5)


def _all_goes_well(session: MadeUpSession) -> None:
    hello, world = Word(" hello", 0, 8_000, 0.9), Word(" world", 8_000, 16_000, 0.9)

    def on_feed(session: MadeUpSession) -> None:
        if len(session.fed) == 1:
            line = Line(0, 8_000, (hello,), "en")
            session.says.put_nowait(Update(lines=(line,), committed=(hello,), language="en", speech_start=0))

    def on_end(session: MadeUpSession) -> None:
        line = Line(0, 16_000, (hello, world), "en")
        session.says.put_nowait(
            Update(
                lines=(line,),
                committed=(world,),
                language="en",
                speech_start=0,
                received=16_000,
                segment_end=True,
                flushes=session.flushes,
                final=session.finished,
            )
        )

    async def flush() -> None:
        session.flushes += 1
        on_end(session)

    session.on_feed, session.on_end, session.flush = on_feed, on_end, flush  # type: ignore[method-assign]


async def _all_closed(sessions: MadeUpSessions) -> None:
    async with asyncio.timeout(5):
        for session in sessions.opened:
            await session.closed.wait()


@asynccontextmanager
async def _rehearsal(
    build: Callable[[int], Transport[Any]], prepare: Callable[[MadeUpSession], None]
) -> AsyncIterator[tuple[int, MadeUpSessions]]:
    port, sessions = free_port(), MadeUpSessions(prepare)
    http = HttpServer("127.0.0.1", port)
    try:
        async with provisioned(build(port)) as transport:
            await transport.start(sessions, http)
            await http.start()
            yield port, sessions
            await transport.stop_accepting()
    finally:
        await http.close()
