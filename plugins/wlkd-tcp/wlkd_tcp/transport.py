"""The TCP transport: options, the listening socket, and the connections that it has made."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import Field

from wlkd import Http, Options, Sessions, Transport
from wlkd_tcp.connection import Connection
from wlkd_tcp.lines import Format

PORT = 43007
"""Where clients of the ufal streaming server expect it."""


class TcpOptions(Options):
    """Options of the transport `tcp`."""

    host: str = Field("0.0.0.0", description="Address to listen on; 127.0.0.1 keeps other machines out.")
    port: int = Field(PORT, ge=1, le=65535, description="TCP port.")
    format: Format = Field(
        "json", description="What is sent: `json`, an object a line; `text`, `<start ms> <end ms> <text>` lines."
    )
    language: str | None = Field(
        None, description="Language of every client of this port, as ISO 639-1 code or `auto`; null: the daemon's."
    )
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not take a line for so long is dropped (`too_slow`)."
    )
    close_timeout_seconds: float = Field(
        10.0, gt=0, description="After the last line, wait so long for the client to close, then close."
    )


class Tcp(Transport):
    """The port of the ufal streaming server, for many clients at once."""

    Config: ClassVar[type[Options]] = TcpOptions
    config: TcpOptions
    _server: asyncio.Server | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        self._connections: set[asyncio.Task[None]] = set()
        listening = http.listen(self.config.host, self.config.port)
        self._server = await asyncio.start_server(self._accept, sock=listening)

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
        task = asyncio.create_task(Connection(reader, writer, self.config, self._sessions).serve())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
