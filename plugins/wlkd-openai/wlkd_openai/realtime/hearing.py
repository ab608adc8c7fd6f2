"""One session behind a realtime connection: fed by it, and telling it what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack

from wlkd import Session, SessionError
from wlkd_openai.realtime.items import Event, Items

Send = Callable[[Iterable[Event]], Awaitable[None]]

FLUSHED_SECONDS = 0.05
"""After a flush its words are one turn of the event loop away; so long they are waited for at most."""


class Hearing:
    """Owns a session; closing it abandons what is not yet transcribed."""

    def __init__(self, session: Session, owner: AsyncExitStack, items: Items, send: Send) -> None:
        self._session = session
        self._owner = owner
        self._items = items
        self._send = send
        self._flushed: asyncio.Future[None] | None = None
        self._news = asyncio.Event()
        self._told = asyncio.Event()
        """An update has reached `items`."""
        self.sending = asyncio.create_task(self._send_all())
        """Done when the session has said its last; raises `SessionError`."""

    async def feed(self, audio: bytes) -> None:
        """Raises `SessionError`, after everything before was sent."""
        await self._or_end(self._session.feed(audio))

    async def flush(self) -> None:
        """Returns when the words of all audio so far have been given to `items` and sent."""
        await self._or_end(self._session.flush())
        self._flushed = asyncio.get_running_loop().create_future()
        self._news.set()
        await asyncio.wait({self._flushed, self.sending}, return_when=asyncio.FIRST_COMPLETED)

    async def finish(self) -> None:
        """Returns when everything has been transcribed and sent."""
        await self._or_end(self._session.finish())
        await self.sending

    async def settle(self) -> None:
        """Returns when the turns that are over have all their words."""
        while self._items.pending:
            self._told.clear()
            telling = asyncio.create_task(self._told.wait())
            await asyncio.wait({telling, self.sending}, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            if self.sending.done():
                self.sending.result()
                return

    async def close(self) -> None:
        self.sending.cancel()
        await asyncio.gather(self.sending, return_exceptions=True)
        await self._owner.aclose()

    async def _or_end(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except SessionError:
            await self.sending
            raise

    async def _send_all(self) -> None:
        updates = self._session.updates()
        upcoming = asyncio.ensure_future(anext(updates, None))
        news = asyncio.create_task(self._news.wait())
        try:
            while True:
                await asyncio.wait({upcoming, news}, return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    await asyncio.wait({upcoming}, timeout=FLUSHED_SECONDS)
                if upcoming.done():
                    update = upcoming.result()
                    if update is None:
                        return
                    await self._send(self._items.on_update(update))
                    self._told.set()
                    upcoming = asyncio.ensure_future(anext(updates, None))
                if news.done():
                    self._news.clear()
                    news = asyncio.create_task(self._news.wait())
                    if self._flushed is not None and not self._flushed.done():
                        self._flushed.set_result(None)
        finally:
            upcoming.cancel()
            news.cancel()
            await asyncio.gather(upcoming, news, return_exceptions=True)
