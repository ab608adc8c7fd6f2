"""A WebSocket as transports want it: no wait without an end, and a reason for every close."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from aiohttp import WSCloseCode, web
from pydantic import Field

from wlkd.contract.components import Options
from wlkd.contract.errors import SessionError

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of them the close code."""


class SocketOptions(Options):
    """Options of a transport with WebSockets."""

    host: str | None = Field(None, description="Own address to listen on; null: the daemon's.")
    port: int | None = Field(None, ge=1, le=65535, description="Own port; null: the daemon's.")
    max_message_bytes: int = Field(
        16 * 2**20, ge=1024, description="Largest WebSocket message in bytes; bounds what one client can make us hold."
    )
    ping_interval_seconds: float = Field(
        20.0, gt=0, description="Time between pings; keeps proxies from closing a connection during silence."
    )
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not take a message for so long is dropped (`too_slow`)."
    )
    close_timeout_seconds: float = Field(
        10.0, gt=0, description="After the last message, wait so long for the client to close, then close."
    )


class Socket(web.WebSocketResponse):
    """The server's end."""

    def __init__(self, options: SocketOptions, protocols: Iterable[str] = ()) -> None:
        super().__init__(
            max_msg_size=options.max_message_bytes + 1,  # aiohttp refuses what reaches its limit
            timeout=options.close_timeout_seconds,
            protocols=protocols,
            # Deflate would cost more on the event loop than it saves: audio is compressed already.
            compress=False,
        )
        self._bounds = options

    async def say(self, text: str) -> None:
        """Send `text`. Raises `SessionError("too_slow")` when the client does not read."""
        try:
            async with asyncio.timeout(self._bounds.send_timeout_seconds):
                await self.send_str(text)
        except TimeoutError:
            raise SessionError("too_slow", "the client does not read what it is sent") from None

    async def hang_up(self, code: int, reason: str = "") -> None:
        """Close, and give the client time to answer; as much of `reason` as the frame holds goes with it."""
        cut = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        with contextlib.suppress(ConnectionError, TimeoutError):
            # Twice: the close frame may wait behind unread messages, then the client's answer.
            async with asyncio.timeout(2 * self._bounds.close_timeout_seconds):
                await self.close(code=code, message=cut)

    async def keep_pinging(self) -> None:
        """Ping for ever, for a task of its own."""
        # Not aiohttp's heartbeat: that one closes a client whose pong waits unread behind audio that a busy
        # session has not taken yet.
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(self._bounds.ping_interval_seconds)
                await self.ping()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        # aiohttp closes by itself when a frame announces too many bytes, before it holds any of them: without a word.
        if code == WSCloseCode.MESSAGE_TOO_BIG and not message and not self.closed:
            message = (await self.too_big()).encode()
        return await super().close(code=code, message=message, drain=drain)

    async def too_big(self) -> str:
        """Why a message that is too big ends the connection; may tell the client more before."""
        return "a message is larger than this server takes; send smaller ones"
