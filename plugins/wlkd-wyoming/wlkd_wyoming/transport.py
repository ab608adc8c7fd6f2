"""The Wyoming transport: options, the listening socket, and the connections that it has made."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import Field

from wlkd import Http, Options, Sessions, Transport
from wlkd_wyoming.connection import Connection
from wlkd_wyoming.events import MAX_HEADER_BYTES

PORT = 10300
"""Where Home Assistant expects speech-to-text."""


class WyomingOptions(Options):
    """Options of the transport `wyoming`."""

    host: str = Field("0.0.0.0", description="Address to listen on; 127.0.0.1 keeps other machines out.")
    port: int = Field(PORT, ge=1, le=65535, description="TCP port.")
    streaming: bool = Field(True, description="Send `transcript-chunk` events while a client still speaks.")
    idle_timeout_seconds: float = Field(
        300.0, gt=0, description="A client that asks for nothing for so long is disconnected."
    )
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not take an event for so long is dropped (`too_slow`)."
    )
    close_timeout_seconds: float = Field(
        10.0, gt=0, description="After the last event, wait so long for the client to close, then close."
    )


class Wyoming(Transport):
    """Speech-to-text for Home Assistant and other Wyoming clients."""

    Config: ClassVar[type[Options]] = WyomingOptions
    config: WyomingOptions
    _server: asyncio.Server | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        self._connections: set[asyncio.Task[None]] = set()
        listening = http.listen(self.config.host, self.config.port)
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=MAX_HEADER_BYTES)

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
