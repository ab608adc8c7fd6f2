"""One client on the TCP port, from its first byte to ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from wlkd import Session, Sessions, StreamOffer
from wlkd.transports.conversation import feed_all, running
from wlkd.transports.tcp import Client
from wlkd_tcp.lines import Lines, lines_of

if TYPE_CHECKING:
    from wlkd_tcp.transport import TcpOptions

READ_BYTES = 16 * 1024
"""Half a second of audio."""


class Connection:
    """Moves bytes in and lines out for one client, until both directions have ended."""

    def __init__(self, client: Client, options: TcpOptions, sessions: Sessions) -> None:
        self._client = client
        self._options = options
        self._sessions = sessions
        self._began = time.monotonic()
        self._lines: Lines = lines_of(options.format)

    async def serve(self) -> None:
        """Serve the client to its end. Raises nothing but cancellation: errors are sent to the client."""
        await self._client.serve(self._converse(), lambda error: self._client.write(self._lines.error(error)))

    async def _converse(self) -> None:
        wishes = {} if self._options.language is None else {"language": self._options.language}
        if self._options.diarize:
            wishes["diarize"] = "true"
        offer = StreamOffer(encoding=self._options.encoding, sample_rate=self._options.sample_rate, channels=1)
        async with (
            self._sessions.open(offer, transport="tcp", peer=self._client.peer, query=wishes) as session,
            running(feed_all(session, self._received()), self._send(session)) as (receiving, sending),
        ):
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                receiving.result()
            await sending

    async def _received(self) -> AsyncIterator[bytes]:
        while data := await self._client.reader.read(READ_BYTES):
            yield data

    async def _send(self, session: Session) -> None:
        """Send lines to the end. Waiting for a slow client here lets the session merge what it misses."""
        async for update in session.updates():
            await self._client.write(self._lines.write(update, time.monotonic() - self._began))
