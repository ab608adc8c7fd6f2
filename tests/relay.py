"""A balancer for tests: plain TCP to whichever daemon is up, with connections that break on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Relay:
    """Connects each client to the first of `ports`."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.port = 0
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break every connection, both ways and without a word."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.ports[0])
            self.connections += 1
            both = {writer, far_writer}
            self._open |= both
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, far_writer))
                    pumps.create_task(self._pump(far_reader, writer))
            except* OSError:
                pass  # One end is gone; both are closed below.
            finally:
                self._open -= both
                for each in both:
                    each.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        target.close()


@asynccontextmanager
async def relay(*ports: int) -> AsyncIterator[Relay]:
    """A relay that listens on `port` of this machine."""
    relay = Relay(*ports)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    async with server:
        yield relay
        relay.cut()
