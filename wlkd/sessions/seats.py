"""Which connection holds a resumable session. A session without one waits a while for its client to come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import SessionInfo, TakenUp, Update
from wlkd.sessions.resuming import Resuming
from wlkd.sessions.session import LiveSession


class Seat:
    """A connection's hold on a session, until another one takes the session over. See `wlkd.contract.host.Session`."""

    def __init__(self, session: LiveSession, resuming: Resuming, known_words: int | None = None) -> None:
        """`known_words`: its client comes back, and has the first so many of the words."""
        self.session = session
        self.name = resuming.identity.session
        """What the fleet calls the session."""
        self.taken_up = resuming.begin
        self._resuming = resuming
        self._known_words = known_words
        self.lost = False
        """Another connection has the session."""
        self.named = known_words is not None
        """A continuation of this session was handed out: without one, its client cannot ask for it."""
        self.delivered = False
        """The last update was handed out: the client has no reason to come back."""

    @property
    def info(self) -> SessionInfo:
        return self.session.info

    async def feed(self, data: bytes) -> None:
        await self.session.feed(data, self._check)

    async def flush(self) -> None:
        self._check()
        await self.session.flush()

    def change(self, query: Mapping[str, str]) -> None:
        self._check()
        self.session.change(query)

    async def finish(self, mistake: SessionError | None = None) -> None:
        self._check()
        await self.session.finish(mistake)

    def kept_waiting(self) -> contextlib.AbstractContextManager[None]:
        return self.session.kept_waiting()

    async def updates(self) -> AsyncIterator[Update]:
        async for update in self.session.updates(self._check):
            self.named = True
            yield update
        self.delivered = True

    @property
    def can_go_on(self) -> bool:
        """Over another connection: nothing went wrong, and what comes before all else is here."""
        return self.session.unharmed and self.session.taken_bytes >= self._resuming.begin.header_bytes

    def again(self, known_words: int) -> Seat:
        """Another connection's hold on the same session, for a client that has the first `known_words` of its words."""
        return Seat(self.session, self._resuming, known_words)

    async def go_on(self) -> None:
        """To be awaited first of all. Waits until what is just being handed in over the connection before is taken."""
        if self._known_words is None:
            return
        place = await self.session.go_on(self._known_words)
        first_line = self.taken_up.first_line
        self.taken_up = TakenUp(continued=True, header_bytes=0, from_bytes=place, first_line=first_line)

    def lose(self) -> None:
        """Another connection has come for the session."""
        self.lost = True
        self.session.tell()

    def _check(self) -> None:
        if self.lost:
            raise SessionError(Code.TAKEN_OVER, "the stream goes on over another connection")


class Seats:
    """Every resumable session of this daemon, by the name that its continuations give it."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}
        self._leaving: dict[str, _Leaving] = {}

    def has(self, name: str) -> bool:
        """Whether the session could go on here: it is there, and nothing went wrong with it."""
        return name in self._seats and self._seats[name].can_go_on

    def give(self, session: LiveSession) -> Seat:
        """A new session's first seat. Of two with one name, it is the later one that clients find."""
        assert session.resuming is not None, "a session that can resume"
        seat = Seat(session, session.resuming)
        self._seats[seat.name] = seat
        return seat

    def take_over(self, name: str, known_words: int) -> Seat:
        """The session of that name, for a client that has the first `known_words` of its words."""
        before = self._seats[name]
        before.lose()
        if leaving := self._leaving.pop(name, None):
            leaving.cancel()
        seat = self._seats[name] = before.again(known_words)
        return seat

    def wait(self, seat: Seat, seconds: float, dismiss: Callable[[], Awaitable[None]]) -> None:
        """The connection is gone: the session waits for the next one, `seconds` at most, and is then dismissed."""
        self._leaving[seat.name] = _Leaving(seat, seconds, dismiss, self.forget)

    def forget(self, seat: Seat) -> None:
        """The session is over."""
        if self._seats.get(seat.name) is seat:
            del self._seats[seat.name]
            self._leaving.pop(seat.name, None)

    async def send_away(self) -> None:
        """Sessions that wait for a connection wait no longer."""
        await asyncio.gather(*(leaving.now() for leaving in tuple(self._leaving.values())))


class _Leaving:
    """A session without a connection, on its way out."""

    def __init__(
        self, seat: Seat, seconds: float, dismiss: Callable[[], Awaitable[None]], forget: Callable[[Seat], None]
    ) -> None:
        self._seat = seat
        self._dismiss = dismiss
        self._forget = forget
        self._failure = asyncio.create_task(seat.session.failure(), name=f"failure of session {seat.info.id}")
        self._task = asyncio.create_task(self._leave(seconds), name=f"session {seat.info.id} waits for its client")

    def cancel(self) -> None:
        """Its client is back."""
        self._failure.cancel()
        self._task.cancel()

    async def now(self) -> None:
        """Do not wait any longer."""
        self._failure.cancel()
        await asyncio.wait({self._task})

    async def _leave(self, seconds: float) -> None:
        # Its client cannot go on with a session that failed, and needs the place for the next one.
        await asyncio.wait({self._failure}, timeout=seconds)
        self._failure.cancel()
        # From here on nobody finds the session, so nobody can call this off.
        self._forget(self._seat)
        await self._dismiss()
