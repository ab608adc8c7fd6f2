"""Each channel of the audio a session of its own, as telephony wants it: the agent is left, the customer right.

`Channels` is a session to whoever feeds it. Its updates tell the channels as speakers, from 1; a transport whose
protocol has an answer for each channel reads theirs one by one instead.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

from wlkd.contract.errors import BadParameter, SessionError
from wlkd.contract.host import Session, Sessions
from wlkd.contract.mixing import MAX_APART
from wlkd.contract.types import (
    EMPTY_UPDATE,
    KnownSpeaker,
    Priority,
    SessionInfo,
    StreamOffer,
    TakenUp,
    Update,
)
from wlkd.transports.conversation import cancel, turning_away
from wlkd.transports.merging import Merged
from wlkd.transports.queries import flag, whole_number

MISSING = replace(EMPTY_UPDATE, received=sys.maxsize, flushes=sys.maxsize, final=True)
"""Of a channel that the audio does not have: the others never wait for it."""


def wanted_channels(query: Mapping[str, str], default: int = 2) -> int | None:
    """How many channels a client wants apart (`multichannel=1&channels=2`); None: it wants one text.

    `default`: where it does not say how many. Raises `BadParameter`."""
    return channel_count(query, default) if flag(query, "multichannel") else None


def channel_count(query: Mapping[str, str], default: int) -> int:
    """How many channels are heard apart; `default`: where `query` does not say. Raises `BadParameter`."""
    count = whole_number(query, "channels") or default
    if count > MAX_APART:
        raise BadParameter("channels", f"channels={count}: at most {MAX_APART} can be told apart")
    return count


def is_missing(number: int, failure: BaseException) -> bool:
    """Whether `failure`, of the session of channel `number`, says that the audio has no such channel. A recording has
    as many as it has."""
    return number > 0 and isinstance(failure, BadParameter) and failure.name == "channels"


@asynccontextmanager
async def open_channels(
    sessions: Sessions,
    offer: StreamOffer,
    count: int | None,
    *,
    transport: str,
    peer: str,
    query: dict[str, str] | None = None,
    token: str | None = None,
    priority: Priority = "live",
    known_speakers: Sequence[KnownSpeaker] = (),
) -> AsyncIterator[Channels]:
    """As `Sessions.open`, a session for each of `count` channels; None: one for all of them, mixed down."""
    if count is not None and (query or {}).get("target_language"):
        with turning_away(sessions, transport=transport, peer=peer):
            message = "multichannel: the channels cannot be translated; leave one of both out"
            raise BadParameter("target_language", message)
    offers = [offer]
    if count is not None:
        offers = [replace(offer, channel=number, last_channel=number == count - 1) for number in range(count)]
    async with AsyncExitStack() as owner:
        opened = [
            await owner.enter_async_context(
                sessions.open(
                    each,
                    transport=transport,
                    peer=peer,
                    query=query,
                    token=token,
                    priority=priority,
                    known_speakers=known_speakers,
                )
            )
            for each in offers
        ]
        yield Channels(opened)


class Channels:
    """See `wlkd.contract.host.Session`."""

    def __init__(self, sessions: list[Session], clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds."""
        self._clock = clock
        self.each = tuple(sessions)
        """The session of each channel."""
        self._taking = list(sessions)
        """Those that take audio."""

    @property
    def info(self) -> SessionInfo:
        return self.each[0].info

    @property
    def taken_up(self) -> TakenUp | None:
        return None

    async def feed(self, data: bytes) -> None:
        await self._all(lambda session: session.feed(data))

    async def flush(self) -> None:
        await self._all(lambda session: session.flush())

    def change(self, query: Mapping[str, str]) -> None:
        for session in self.each:
            session.change(query)

    async def finish(self, mistake: SessionError | None = None) -> None:
        # Together, lest one without speech be idle until there is room at another.
        await asyncio.gather(*(session.finish(mistake) for session in self.each))

    @contextmanager
    def kept_waiting(self) -> Iterator[None]:
        with ExitStack() as waits:
            for session in self.each:
                waits.enter_context(session.kept_waiting())
            yield

    async def updates(self) -> AsyncIterator[Update]:
        """As one transcript. When a channel fails, the audio of the others ends too; then its error is raised."""
        if len(self.each) == 1:
            async for update in self.each[0].updates():
                yield update
            return
        merged = Merged(len(self.each), self._clock, live=self.info.params.priority == "live")
        error: SessionError | None = None
        sources = [session.updates() for session in self.each]
        upcoming = {asyncio.ensure_future(anext(source, None)): number for number, source in enumerate(sources)}
        try:
            while upcoming:
                done, _ = await asyncio.wait(upcoming, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    number = upcoming.pop(future)
                    try:
                        heard = future.result()
                    except SessionError as failure:
                        if is_missing(number, failure):
                            yield merged.take(number, MISSING)
                            continue
                        error, heard = error or failure, None
                        await self.finish()
                    if heard is not None:
                        upcoming[asyncio.ensure_future(anext(sources[number], None))] = number
                        yield merged.take(number, heard)
                    elif (rest := merged.end(number)).committed:
                        yield rest
        finally:
            await cancel(*upcoming)
        if error is not None:
            raise error

    async def _all(self, ask: Callable[[Session], Awaitable[None]]) -> None:
        """Ask every channel that still takes audio. Raises when none does; what one alone raises is for its updates."""
        asked = self._taking
        with self.kept_waiting():
            answers = await asyncio.gather(*map(ask, asked), return_exceptions=True)
        failures = {id(session): answer for session, answer in zip(asked, answers, strict=True) if answer is not None}
        for failure in failures.values():
            if not isinstance(failure, SessionError):
                raise failure
        self._taking = [session for session in asked if id(session) not in failures]
        if not self._taking and failures:
            raise next(iter(failures.values()))
