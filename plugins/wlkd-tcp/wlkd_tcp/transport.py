"""The TCP transport and its options."""

from __future__ import annotations

from pydantic import Field

from wlkd.transports.tcp import Client, PortOptions, TcpTransport
from wlkd_tcp.connection import Connection
from wlkd_tcp.lines import Format

PORT = 43007
"""Where clients of the ufal streaming server expect it."""


class TcpOptions(PortOptions):
    """Options of the transport `tcp`."""

    port: int = Field(PORT, ge=1, le=65535, description="TCP port.")
    format: Format = Field(
        "json",
        description="What clients get: `json`, one object a line; `text`, lines of `<start ms> <end ms> <text>`.",
    )
    encoding: str = Field(
        "s16le",
        description="What clients of this port send: `s16le`, `mulaw`, …, or a name that a plugin's decoder knows.",
    )
    sample_rate: int = Field(16_000, ge=1, description="The sample rate in Hz.")
    language: str | None = Field(
        None, description="Language of every client of this port, as ISO 639-1 code or `auto`; null: the daemon's."
    )
    diarize: bool = Field(
        False,
        description="Tell speakers apart: each word gets a `speaker`, and may get an `also_speaker`. Needs a diarizer.",
    )


class Tcp(TcpTransport[TcpOptions]):
    """The port of the ufal streaming server, for many clients at once."""

    async def serve(self, client: Client) -> None:
        await Connection(client, self.config, self.sessions).serve()
