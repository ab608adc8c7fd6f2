"""A port of its own for a transport that speaks no HTTP: a task for each client, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from typing import ClassVar

from pydantic import Field
from typing_extensions import TypeVar

from wlkd.contract.components import Options, Transport
from wlkd.contract.host import Http, Sessions

READ_BYTES = 65_536


class PortOptions(Options):
    """Where such a transport listens. A subclass gives `port` its default."""

    host: str = Field("0.0.0.0", description="Address to listen on; 127.0.0.1 keeps other machines out.")
    port: int = Field(ge=1, le=65535, description="TCP port.")


PortOptionsT = TypeVar("PortOptionsT", bound=PortOptions, default=PortOptions)


class TcpTransport(Transport[PortOptionsT]):
    """Base of such a transport: accepts clients, and sees them off when the daemon ends."""

    sessions: Sessions
    line_bytes: ClassVar[int] = READ_BYTES
    """The longest line, or other unit with an end mark, that a client's reader takes."""
    _server: asyncio.Server | None = None

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client to its end, in a task of its own; cancelled when the daemon ends. Raises nothing else."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self.sessions = sessions
        self._connections: set[asyncio.Task[None]] = set()
        listening = http.listen(self.config.host, self.config.port)
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=self.line_bytes)

    async def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Close our side, then give the client `seconds` to read and to close its own.

    Bytes that nobody reads would make the system reset the connection, and the client lose our last words.
    """
    # A connection that is gone already raises a plain OSError, and so does a timeout.
    with contextlib.suppress(OSError):
        async with asyncio.timeout(seconds):
            writer.write_eof()
            while await reader.read(READ_BYTES):
                continue
            writer.close()
            await writer.wait_closed()
