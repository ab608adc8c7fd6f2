"""One session behind a realtime connection: fed by it, and telling it what was heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from wlkd import Session, SessionError
from wlkd.transports.conversation import cancel, running, timed_updates
from wlkd_openai.realtime.items import Event, Items

Send = Callable[[Iterable[Event]], Awaitable[None]]


class Hearing:
    """Owns a session; closing it abandons what is not yet transcribed."""

    def __init__(self, session: Session, owner: AsyncExitStack, items: Items, send: Send) -> None:
        self._session = session
        self._owner = owner
        self._items = items
        self._send = send
        self._flushes = 0
        self._flushed = 0
        """Of the flushes, those whose words were sent."""
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
        self._flushes += 1
        await self._until(lambda: self._flushed >= self._flushes)

    async def finish(self) -> None:
        """Returns when everything has been transcribed and sent."""
        await self._or_end(self._session.finish())
        await self.sending

    async def settle(self) -> None:
        """Returns when the turns that are over have all their words."""
        await self._until(lambda: not self._items.pending)

    async def close(self, error: SessionError | None = None) -> None:
        """`error`: what ends the conversation, and the session with it."""
        await cancel(self.sending)
        with contextlib.suppress(SessionError):
            async with self._owner:
                if error is not None:
                    raise error

    async def _or_end(self, doing: Coroutine[Any, Any, None]) -> None:
        """Await `doing`. Raises why the session has ended, or that nobody is there any more to be told its words."""
        async with running(doing) as (done,):
            await asyncio.wait({done, self.sending}, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                self.sending.result()
            try:
                await done
            except SessionError:
                await self.sending
                raise

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait until updates have brought that about, or the session has ended. Raises why."""
        while not reached():
            self._told.clear()
            telling = asyncio.create_task(self._told.wait())
            await asyncio.wait({telling, self.sending}, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            if self.sending.done():
                self.sending.result()
                return

    async def _send_all(self) -> None:
        clock = asyncio.get_running_loop().time
        async with aclosing(timed_updates(self._session, lambda: self._items.wait_seconds(clock()))) as updates:
            async for update in updates:
                if update is not None:
                    await self._send(self._items.on_update(update, clock()))
                    self._flushed = update.flushes
                await self._send(self._items.on_time(clock()))
                self._told.set()
