"""One client on the TCP port, from its first byte to ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from wlkd import Session, SessionError, Sessions, StreamOffer
from wlkd.transports.tcp import hang_up
from wlkd_tcp.lines import Lines, lines_of

if TYPE_CHECKING:
    from wlkd_tcp.transport import TcpOptions

logger = logging.getLogger(__name__)

OFFER = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)
READ_BYTES = 16 * 1024
"""Half a second of audio."""


class Connection:
    """Moves bytes in and lines out for one client, until both directions have ended."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, options: TcpOptions, sessions: Sessions
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._options = options
        self._sessions = sessions
        self._client_ended = False
        self._began = time.monotonic()
        self._lines: Lines = lines_of(options.format)
        self._peer = str((writer.get_extra_info("peername") or ("unknown",))[0])

    async def serve(self) -> None:
        """Serve the client to its end. Raises nothing but cancellation: what goes wrong is told to the client."""
        try:
            await self._converse()
            await hang_up(self._reader, self._writer, self._options.close_timeout_seconds)
        except SessionError as error:
            logger.info("%s: %s: %s", self._peer, error.code, error.message)
            await self._fail(error)
        except ConnectionError:
            logger.debug("%s: connection lost", self._peer)
        except Exception:
            logger.exception("%s: connection ended by a defect", self._peer)
            await self._fail(SessionError("internal", "internal error; the server's log has the details"))
        finally:
            # Not close(): that waits for a client that does not read, after it was given time to.
            self._writer.transport.abort()

    async def _converse(self) -> None:
        wishes = {} if self._options.language is None else {"language": self._options.language}
        async with self._sessions.open(OFFER, transport="tcp", peer=self._peer, query=wishes) as session:
            receiving = asyncio.create_task(self._receive(session))
            sending = asyncio.create_task(self._send(session))
            try:
                await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    receiving.result()
                await sending
            finally:
                receiving.cancel()
                sending.cancel()
                await asyncio.gather(receiving, sending, return_exceptions=True)

    async def _receive(self, session: Session) -> None:
        """Feed the session until the client closes its sending side."""
        try:
            while data := await self._reader.read(READ_BYTES):
                await session.feed(data)
            self._client_ended = True
            await session.finish()
        except SessionError:
            # `updates()` still delivers the words of the audio before, and then raises the reason.
            logger.debug("%s: the session takes no more audio", self._peer)

    async def _send(self, session: Session) -> None:
        """Send lines to the end. Waiting for a slow client here lets the session merge what it misses."""
        async for update in session.updates():
            await self._write(self._lines.write(update, time.monotonic() - self._began))
        if not self._client_ended:
            raise SessionError("draining", "the server is shutting down; everything received is transcribed")

    async def _write(self, line: str) -> None:
        if not line:
            return
        self._writer.write(line.encode())
        try:
            async with asyncio.timeout(self._options.send_timeout_seconds):
                await self._writer.drain()
        except TimeoutError:
            raise SessionError("too_slow", "the client does not read its lines") from None

    async def _fail(self, error: SessionError) -> None:
        with contextlib.suppress(ConnectionError, SessionError):
            await self._write(self._lines.error(error))
            await hang_up(self._reader, self._writer, self._options.close_timeout_seconds)
