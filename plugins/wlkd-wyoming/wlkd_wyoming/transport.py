"""The Wyoming transport and its options."""

from __future__ import annotations

from pydantic import Field

from wlkd.transports.tcp import Client, PortOptions, TcpTransport
from wlkd_wyoming.connection import Connection
from wlkd_wyoming.events import MAX_HEADER_BYTES

PORT = 10300
"""Where Home Assistant expects speech-to-text."""


class WyomingOptions(PortOptions):
    """Options of the transport `wyoming`."""

    port: int = Field(PORT, ge=1, le=65535, description="TCP port.")
    streaming: bool = Field(True, description="Send `transcript-chunk` events while somebody still speaks.")
    endpoint_seconds: float | None = Field(
        None,
        gt=0,
        description="Silence after speech that ends a request, without waiting for `audio-stop`; announced in "
        "`describe`. null: the client's own VAD decides.",
    )
    idle_timeout_seconds: float = Field(
        300.0, gt=0, description="A client that requests nothing for longer than this is disconnected."
    )


class Wyoming(TcpTransport[WyomingOptions]):
    """Speech-to-text for Home Assistant and other Wyoming clients."""

    line_bytes = MAX_HEADER_BYTES

    async def serve(self, client: Client) -> None:
        await Connection(client, self.config, self.sessions).serve()
