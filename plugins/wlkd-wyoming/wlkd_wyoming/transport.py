"""The Wyoming transport and its options."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import Field

from wlkd import Http, Sessions
from wlkd.transports.conversation import cancel
from wlkd.transports.tcp import Client, PortOptions, TcpTransport
from wlkd_wyoming.connection import Connection
from wlkd_wyoming.events import MAX_HEADER_BYTES
from wlkd_wyoming.home_assistant import Names, read_token

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
    announce_as: str | None = Field(
        None,
        min_length=1,
        max_length=63,
        description="Name under which Home Assistant discovers this server on the local network (mDNS); null: it is "
        "not announced.",
    )
    home_assistant_url: str | None = Field(
        None,
        pattern="^https?://[^/]",
        description="Home Assistant, such as `http://homeassistant.local:8123`: the names of its devices are words to "
        "expect, for requests that name none; null: it is not asked.",
    )
    home_assistant_token_file: Path | None = Field(
        None, description="A file, or a systemd credential, with a long-lived access token of Home Assistant."
    )
    home_assistant_refresh_seconds: float = Field(
        3600.0, ge=10, description="How often Home Assistant is asked for its names."
    )


class Wyoming(TcpTransport[WyomingOptions]):
    """Speech-to-text for Home Assistant and other Wyoming clients."""

    line_bytes = MAX_HEADER_BYTES
    _names: Names | None = None
    _announcing: asyncio.Task[None] | None = None
    _asking: asyncio.Task[None] | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        options = self.config
        if options.home_assistant_url is not None and options.home_assistant_token_file is not None:
            token = read_token(options.home_assistant_token_file)
            self._names = Names(options.home_assistant_url, token, options.home_assistant_refresh_seconds)
            self._asking = asyncio.create_task(self._names.keep())
        await super().start(sessions, http)
        if options.announce_as is not None:
            from wlkd_wyoming.discovery import keep_announced  # slow to import

            announcing = keep_announced(options.announce_as, options.host, options.port)
            self._announcing = asyncio.create_task(announcing)

    async def stop_accepting(self) -> None:
        if self._announcing is not None:
            await cancel(self._announcing)
        await super().stop_accepting()

    async def close(self) -> None:
        await cancel(*filter(None, (self._announcing, self._asking)))
        await super().close()

    async def serve(self, client: Client) -> None:
        names = () if self._names is None else self._names.current
        await Connection(client, self.config, self.sessions, names).serve()
