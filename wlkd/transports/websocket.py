"""A WebSocket as transports want it: no wait without an end, and a reason for every close."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.http import WS_CLOSED_MESSAGE, WebSocketError
from pydantic import Field

from wlkd.contract.components import Options
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.host import Session
from wlkd.transports.conversation import cancel, in_time, running, see_through

CLOSE_CODES: Mapping[Code, int] = {
    Code.BAD_REQUEST: WSCloseCode.POLICY_VIOLATION,
    Code.UNAUTHORIZED: WSCloseCode.POLICY_VIOLATION,
    Code.UNDECODABLE_AUDIO: WSCloseCode.POLICY_VIOLATION,
    Code.IDLE_TIMEOUT: WSCloseCode.POLICY_VIOLATION,
    Code.CANNOT_RESUME: WSCloseCode.POLICY_VIOLATION,
    Code.TAKEN_OVER: WSCloseCode.POLICY_VIOLATION,
    Code.MESSAGE_TOO_BIG: WSCloseCode.MESSAGE_TOO_BIG,
    Code.BACKEND_FAILED: WSCloseCode.INTERNAL_ERROR,
    Code.INTERNAL: WSCloseCode.INTERNAL_ERROR,
    Code.SERVER_FULL: WSCloseCode.TRY_AGAIN_LATER,
    Code.DRAINING: WSCloseCode.TRY_AGAIN_LATER,
    Code.MOVING: WSCloseCode.SERVICE_RESTART,
    Code.TOO_SLOW: WSCloseCode.TRY_AGAIN_LATER,
}
"""What each code closes a WebSocket with."""

MESSAGE_BYTES = 256
"""Memory that a message takes beside its data."""
DRAIN_SECONDS = 1.0
"""For the rest of a message that is too big. If it were still on its way when the connection is closed, TCP would reset
the connection, and the client could lose what it was told."""
MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of them the close code."""


class SocketOptions(Options):
    """Options of a transport with WebSockets."""

    host: str | None = Field(None, description="An address of its own to listen on; null: the daemon's.")
    port: int | None = Field(None, ge=1, le=65535, description="A port of its own; null: the daemon's.")
    max_message_bytes: int = Field(
        16 * 2**20,
        ge=1024,
        description="Largest WebSocket message in bytes, and how much of a client is read ahead while earlier audio "
        "is transcribed; it limits the memory that one client can use.",
    )
    ping_interval_seconds: float = Field(
        20.0, gt=0, description="Time between pings, which keep proxies from closing a silent connection."
    )
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not read a message for longer than this is dropped (`too_slow`)."
    )
    close_timeout_seconds: float = Field(
        10.0, gt=0, description="How long to wait after the last message for the client to close the connection."
    )


class Socket(web.WebSocketResponse):
    """The server's end. A protocol says in `parting` how it tells an error."""

    def __init__(self, options: SocketOptions, protocols: Iterable[str] = ()) -> None:
        super().__init__(
            max_msg_size=options.max_message_bytes + 1,  # aiohttp refuses what reaches its limit
            timeout=options.close_timeout_seconds,
            protocols=protocols,
            # Deflate would cost more on the event loop than it saves: audio is compressed already.
            compress=False,
        )
        self._bounds = options
        self._ahead: asyncio.Queue[WSMessage] = asyncio.Queue()
        """What was read and nobody has asked for yet. The last message stays: it says that none will come."""
        self._ahead_bytes = 0
        self._reading: asyncio.Task[None] | None = None
        self._too_big: SessionError | None = None
        """A message was, and nothing behind it can be read; None: none was."""
        self._room = asyncio.Event()
        self._room.set()

    async def receive(self, timeout: float | None = None) -> WSMessage:  # noqa: ASYNC109  # as aiohttp has it
        """The next message, inside `serve`. One that is no text and not binary is the last.

        Raises `SessionError("message_too_big")` in place of one above the limit, and `SessionError("bad_request")` in
        place of what is none: nothing behind it can be read then."""
        async with asyncio.timeout(timeout):
            message = await self._ahead.get()
        if _is_last(message):
            self._ahead.put_nowait(message)
            if self._too_big is not None:
                raise self._too_big
            if isinstance(message.data, WebSocketError):
                # aiohttp has closed the connection, with the code that RFC 6455 has for it.
                raise SessionError(Code.BAD_REQUEST, f"the client breaks the WebSocket protocol: {message.data}")
        else:
            self._account(-_size(message))
        return message

    async def say(self, text: str, within: float | None = None) -> None:
        """Send `text`. Raises `SessionError("too_slow")` when the client has not read after `within` seconds, or the
        configured time."""
        await in_time(self.send_str(text), within or self._bounds.send_timeout_seconds)

    async def hang_up(self, code: int, reason: str = "") -> None:
        """Close, and give the client time to answer; as much of `reason` as the frame holds goes with it."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            # Twice: the close frame may wait behind unread messages, then the client's answer.
            async with asyncio.timeout(2 * self._bounds.close_timeout_seconds):
                await self.close(code=code, message=_cut(reason))

    async def await_close(self) -> None:
        """Let the client close, for as long as is configured; what it still sends is dropped."""
        with contextlib.suppress(TimeoutError, SessionError):
            async with asyncio.timeout(self._bounds.close_timeout_seconds):
                async for _ in self:
                    continue

    async def serve(self, conversation: Awaitable[None], peer: str) -> None:
        """See one client through `conversation`. Raises nothing but cancellation: errors are sent to the client."""
        async with running(self._read_ahead(), self._keep_pinging()) as (self._reading, _):
            await see_through(conversation, self.fail, peer)

    async def feed(self, session: Session, take: Callable[[WSMessage], Awaitable[bool]]) -> None:
        """Give each message to `take` until it says that no more are wanted, or raises `SessionError`; return when
        the client has gone.

        An error ends the session's audio: it is raised by `updates()`, after the words of the audio before. Raises
        what `receive` raises.
        """
        taking = True
        async for message in self:
            if message.type is WSMsgType.ERROR:
                return
            if not taking:
                # A client does not know yet that its session ended, and MediaRecorder delivers a last chunk after
                # the page has sent the end. Keep reading so that the close is seen.
                continue
            try:
                taking = await take(message)
            except SessionError as error:
                taking = False
                await session.finish(error)

    async def fail(self, error: SessionError) -> None:
        """Tell what went wrong, then close."""
        messages, code, reason = self.parting(error)
        with contextlib.suppress(ConnectionError, SessionError):
            for message in messages:
                await self.say(message, self._bounds.close_timeout_seconds)
        if self._too_big is not None:
            await asyncio.sleep(DRAIN_SECONDS)
        await self.hang_up(code, reason)

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        """The last messages, the close code and its reason, as the protocol says `error`."""
        return (), CLOSE_CODES[error.code], error.message

    async def _keep_pinging(self) -> None:
        """Ping for ever, for a task of its own."""
        # Not aiohttp's heartbeat: that one closes a client whose pong waits unread behind audio that a busy
        # session has not taken yet.
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(self._bounds.ping_interval_seconds)
                await self.ping()

    async def _read_ahead(self) -> None:
        """Read what comes before it is asked for, in a task of its own.

        Pings are answered in their turn, when they are read. A client that sends a recording at once would wait for
        its pong until the audio before it is transcribed, and many libraries take that for a dead connection.
        """
        message = None
        try:
            while message is None or not _is_last(message):
                await self._room.wait()
                message = await super().receive()
                self._account(_size(message))
                self._ahead.put_nowait(message)
        finally:
            self._ahead.put_nowait(WS_CLOSED_MESSAGE)

    def _account(self, size: int) -> None:
        self._ahead_bytes += size
        if self._ahead_bytes < self._bounds.max_message_bytes:
            self._room.set()
        else:
            self._room.clear()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        # aiohttp closes by itself when a frame announces too many bytes, before it holds any of them: without a word,
        # and before they came. It reads and drops them from now on; who reads the next message gets the error.
        if code == WSCloseCode.MESSAGE_TOO_BIG and not message and not self.closed:
            limit = self._bounds.max_message_bytes
            told = f"a message is larger than the {limit} bytes that this server takes; send smaller ones"
            self._too_big = SessionError(Code.MESSAGE_TOO_BIG, told)
            return False
        # It reads the client's answer itself, unless somebody else is reading: then it waits for none.
        if self._reading not in (None, asyncio.current_task()):
            await cancel(self._reading)
        return await super().close(code=code, message=message, drain=drain)


def _is_last(message: WSMessage) -> bool:
    return message.type not in (WSMsgType.TEXT, WSMsgType.BINARY)


def _size(message: WSMessage) -> int:
    return MESSAGE_BYTES + (0 if _is_last(message) else len(message.data))


def _cut(reason: str) -> bytes:
    """As much of `reason` as a close frame holds."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
