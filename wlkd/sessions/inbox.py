"""What a transport hands in, each thing in its turn: pieces of the client's bytes, wishes to flush, and the end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wlkd.contract.errors import Code, SessionError
from wlkd.sessions.life import Life, Stage

PIECE_BYTES = 32 * 1024
"""Bytes decoded in one go: 1 s of 16 kHz PCM, some 8 s of Opus; bounds what one piece can inflate to."""
QUEUED_MESSAGES = 4
"""Messages that wait for decoding before the transport has to."""


class Flush(asyncio.Future[None]):
    """Commit what there is. Done when that is done."""


class End:
    """The audio is over."""


Message = bytes | Flush | End


class Inbox:
    """A short queue from the transport to the session's task. `life` says whether anybody still reads it."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUED_MESSAGES)
        self._putting = asyncio.Lock()
        """Who puts something in: a message goes in whole, and in its turn."""
        self._flushing: Flush | None = None
        self._waits = 0
        """How often the client is kept waiting elsewhere."""
        self._waited_until = -math.inf
        """When that ended, as the event loop counts."""
        self.taken_bytes = 0
        """Bytes of the client that are in, or were."""

    # The transport's end -------------------------------------------------------------------------------------

    async def feed(self, data: bytes, check: Callable[[], None]) -> None:
        """Put `data` in, whole. `check` raises if the session has passed to another connection meanwhile."""
        async with self._putting:
            check()
            self._life.check()
            for offset in range(0, len(data), PIECE_BYTES):
                piece = data[offset : offset + PIECE_BYTES]
                await self._put(piece)
                self.taken_bytes += len(piece)

    async def flush(self) -> None:
        """Wait until everything before is in the transcript. Raises what ends the session before that."""
        flush = Flush()
        async with self._putting:
            self._life.check()
            await self._put(flush)
        await flush

    async def end(self, reason: SessionError | None) -> None:
        """The audio ends here; see `Life.end`."""
        async with self._putting:
            if self._life.stage is Stage.TAKING:
                # First of all: whoever is cancelled while there is no room has ended nothing, and can come back.
                await self._queue.put(End())
                self._life.end(reason)

    @contextmanager
    def kept_waiting(self) -> Iterator[None]:
        """See `wlkd.contract.host.Session`."""
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self._waited_until = _now()

    async def settled_bytes(self) -> int:
        """`taken_bytes`, once the message that is just being handed in is in."""
        async with self._putting:
            return self.taken_bytes

    async def _put(self, message: Message) -> None:
        await self._queue.put(message)
        if self._life.error is not None:
            # It failed while there was no room, and nobody reads the inbox any more.
            raise self._life.error

    # The session's end ---------------------------------------------------------------------------------------

    async def next(self, limit_seconds: float) -> Message:
        """The next message. Raises `SessionError("idle_timeout")`."""
        due, message = _now() + limit_seconds, None
        while message is None:
            try:
                async with asyncio.timeout_at(due):
                    message = await self._queue.get()
            except TimeoutError:
                due = (_now() if self._waits else self._waited_until) + limit_seconds
                if due <= _now():
                    raise SessionError(Code.IDLE_TIMEOUT, f"no audio for {limit_seconds:g} s") from None
        if isinstance(message, Flush):
            self._flushing = message
        return message

    def flushed(self, flush: Flush) -> None:
        """The words before `flush`, if any, are in the transcript."""
        self._flushing = None
        if not flush.done():
            flush.set_result(None)

    def abandon(self) -> None:
        """Nobody reads any more: release those who wait to put something in, or for a flush."""
        waiting: list[Message | None] = [self._flushing]
        while not self._queue.empty():
            waiting.append(self._queue.get_nowait())
        for message in waiting:
            if isinstance(message, Flush) and not message.done() and self._life.error is not None:
                message.set_exception(self._life.error)


def _now() -> float:
    return asyncio.get_running_loop().time()
