"""A port of its own for a transport that speaks no HTTP: a task for each client, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Awaitable
from typing import ClassVar

from pydantic import Field
from typing_extensions import TypeVar

from wlkd.contract.components import Options, Transport
from wlkd.contract.errors import SessionError
from wlkd.contract.host import Http, Sessions
from wlkd.transports.conversation import Tell, in_time, see_through

READ_BYTES = 65_536
FAREWELL_SECONDS = 0.5
"""What connections get at a stop, after their session has ended, to say so."""


class PortOptions(Options):
    """Where such a transport listens. A subclass gives `port` its default."""

    host: str = Field(default="0.0.0.0", description="Address to listen on; 127.0.0.1 keeps other machines out.")
    port: int = Field(ge=1, le=65535, description="TCP port.")
    send_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        description="A client that does not read for longer than this is dropped (`too_slow`).",
    )
    close_timeout_seconds: float = Field(
        default=10.0, gt=0, description="How long to wait after the last words for the client to close the connection."
    )


class Client:
    """One connection: its two directions, and an end in good order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, options: PortOptions) -> None:
        self.reader = reader
        self.peer = str((writer.get_extra_info("peername") or ("unknown",))[0])
        self.writer = writer
        self._options = options

    async def serve(self, conversation: Awaitable[None], tell: Tell) -> None:
        """See the client through `conversation` and hang up. Raises nothing but cancellation: what goes wrong is
        told to it by `tell`."""

        async def to_the_end() -> None:
            await conversation
            await self._hang_up()

        async def fail(error: SessionError) -> None:
            await tell(error)
            await self._hang_up()

        try:
            await see_through(to_the_end(), fail, self.peer)
        finally:
            # Not close(): that waits for a client that does not read, after it was given time to.
            self.writer.transport.abort()

    async def write(self, data: str | bytes) -> None:
        """Send `data`, if any. Raises `SessionError("too_slow")` when the client does not read."""
        if data:
            self.writer.write(data.encode() if isinstance(data, str) else data)
            await self.in_time(self.writer.drain())

    async def in_time(self, sending: Awaitable[None]) -> None:
        """Await what sends something. Raises `SessionError("too_slow")` when the client does not read."""
        await in_time(sending, self._options.send_timeout_seconds)

    async def _hang_up(self) -> None:
        """Close our side, then give the client time to read and to close its own.

        Bytes that nobody reads would make the system reset the connection, and the client lose our last words.
        """
        # A connection that is gone already raises a plain OSError, and so does a timeout.
        with contextlib.suppress(OSError):
            async with asyncio.timeout(self._options.close_timeout_seconds):
                self.writer.write_eof()
                while await self.reader.read(READ_BYTES):
                    continue
                self.writer.close()
                await self.writer.wait_closed()


PortOptionsT = TypeVar("PortOptionsT", bound=PortOptions, default=PortOptions)


class TcpTransport(Transport[PortOptionsT]):
    """Base of such a transport: accepts clients, and sees them off when the daemon ends."""

    sessions: Sessions
    line_bytes: ClassVar[int] = READ_BYTES
    """The longest line, or other unit with an end mark, that a client's reader takes."""
    _server: asyncio.Server | None = None

    @abstractmethod
    async def serve(self, client: Client) -> None:
        """Serve one client to its end, in a task of its own; cancelled when the daemon ends. Raises nothing else."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self.sessions = sessions
        self._connections: set[asyncio.Task[None]] = set()
        listening = http.bound_socket(self.config.host, self.config.port)
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=self.line_bytes)

    async def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        if self._connections:
            await asyncio.wait(self._connections, timeout=FAREWELL_SECONDS)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.serve(Client(reader, writer, self.config)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
