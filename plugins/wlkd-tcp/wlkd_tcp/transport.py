"""The TCP transport and its options."""

from __future__ import annotations

import asyncio

from pydantic import Field

from wlkd.transports.tcp import PortOptions, TcpTransport
from wlkd_tcp.connection import Connection
from wlkd_tcp.lines import Format

PORT = 43007
"""Where clients of the ufal streaming server expect it."""


class TcpOptions(PortOptions):
    """Options of the transport `tcp`."""

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


class Tcp(TcpTransport[TcpOptions]):
    """The port of the ufal streaming server, for many clients at once."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(reader, writer, self.config, self.sessions).serve()
