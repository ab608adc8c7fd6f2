"""A client's conversation, from its first byte to its end: what every transport does in the same way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from wlkd.contract.errors import Code, SessionError
from wlkd.contract.host import Session, Sessions
from wlkd.contract.types import EMPTY_UPDATE, Update

logger = logging.getLogger(__name__)
T = TypeVar("T")

Tell = Callable[[SessionError], Awaitable[None]]


LOST = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN})
"""What the system says of a connection whose other end vanished without a word: a machine that lost its power or its
network. Python has no `ConnectionError` for these."""


def is_lost(error: Exception) -> bool:
    """Whether `error` says that the connection broke; nothing is wrong here then."""
    # TLS says in its own way that what arrives makes no sense, as behind a connection that was cut inside a record.
    broken = isinstance(error, (ConnectionError, ssl.SSLError))
    return broken or (isinstance(error, OSError) and error.errno in LOST)


def defect() -> SessionError:
    """The message to a client when the fault is the program's own; nobody is turned away by it."""
    error = SessionError(Code.INTERNAL, "internal error; the server's log has the details")
    error.counted = True
    return error


async def see_through(conversation: Awaitable[None], tell: Tell, peer: str) -> None:
    """Await `conversation`; what goes wrong in it is given to `tell`, unless the connection is what broke.

    Raises nothing but cancellation: one client's mistake, or a defect that it meets, ends this client only.
    """
    try:
        await conversation
        return
    except SessionError as error:
        logger.info("%s: %s: %s", peer, error.code, error.message)
        reason = error
    except Exception as error:
        if is_lost(error):
            logger.debug("%s: connection lost: %s", peer, error)
            return
        logger.exception("%s: connection ended by a defect", peer)
        reason = defect()
    # It may have gone meanwhile, or not read.
    with contextlib.suppress(OSError, SessionError):
        await tell(reason)


@contextmanager
def turning_away(sessions: Sessions, *, transport: str, peer: str) -> Iterator[None]:
    """What goes wrong in here before there is a session counts as a refusal; see `Sessions.turned_away`."""
    try:
        yield
    except SessionError as error:
        sessions.turned_away(error, transport=transport, peer=peer)
        raise


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, T]) -> AsyncIterator[tuple[asyncio.Task[T], ...]]:
    """Tasks that run for the length of an `async with`; what is not done then is cancelled."""
    tasks = tuple(asyncio.create_task(each) for each in work)
    try:
        yield tasks
    finally:
        await cancel(*tasks)


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel, and return when they have ended. What they raise is nobody's any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def converse(sending: Coroutine[Any, Any, None], receiving: Coroutine[Any, Any, None]) -> bool:
    """Run both until `sending` has said its last; False: `receiving` ended before, for the client has gone.

    Raises what either raises.
    """
    async with running(sending, receiving) as (told, heard):
        await asyncio.wait({told, heard}, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            told.result()
            return True
        heard.result()
        return False


async def in_time(sending: Awaitable[None], seconds: float) -> None:
    """Await what sends something. Raises `SessionError("too_slow")` when the client has not read it after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await sending
    except TimeoutError:
        raise SessionError(Code.TOO_SLOW, "the client does not read what it is sent") from None


async def feed_all(session: Session, pieces: AsyncIterable[bytes]) -> None:
    """Feed `pieces` and finish. What goes wrong, in the session or in `pieces`, is left to `updates()` to say, after
    the words of the audio before. Raises what says that the connection of `pieces` broke, with the session finished."""
    mistake = None
    try:
        async for piece in pieces:
            try:
                await session.feed(piece)
            except SessionError as error:
                logger.debug("the session takes no more audio: %s", error)
                return
    except SessionError as error:
        mistake = error
    except Exception as error:
        if is_lost(error):
            await _finish(session)
            raise
        logger.exception("%s: what a client sent could not be read, because of a defect", session.info.peer)
        mistake = defect()
    await _finish(session, mistake)


async def _finish(session: Session, mistake: SessionError | None = None) -> None:
    with contextlib.suppress(SessionError):
        await session.finish(mistake)


async def last_update(session: Session) -> Update:
    """The whole transcript, once it is complete. Raises `SessionError`."""
    last = EMPTY_UPDATE
    async for update in session.updates():
        last = update
    return last


async def timed_updates(
    session: Session, wait_seconds: Callable[[], float | None]
) -> AsyncGenerator[Update | None, None]:
    """Every update, and None where `wait_seconds` passed without one (None: nothing is due before the next update).

    For protocols in which silence has something to say: silence brings no updates. To be closed
    (`contextlib.aclosing`). Waiting for a slow client between two updates lets the session merge what it misses.
    """
    updates = session.updates()
    upcoming = asyncio.ensure_future(anext(updates, None))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=wait_seconds())
            if not upcoming.done():
                yield None
                continue
            update = upcoming.result()
            if update is None:
                return
            yield update
            upcoming = asyncio.ensure_future(anext(updates, None))
    finally:
        await cancel(upcoming)
