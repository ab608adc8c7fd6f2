"""The transport `agent`: a client that connects gets one line, and the connection is closed.

HAProxy's configuration manual, `agent-check`: a server's weight in per cent of the configured one, and its state.
"""

from __future__ import annotations

import asyncio
import contextlib

from pydantic import Field

from wlkd import Http, Occupancy, Options, Sessions, Transport

WRITE_SECONDS = 2.0
"""What a balancer gets to read its line."""


class AgentOptions(Options):
    """Options of the transport `agent`."""

    host: str = Field(
        "0.0.0.0", description="Address to listen on. The answers contain no secrets and no client's data."
    )
    port: int = Field(7108, ge=1, le=65535, description="TCP port; `agent-port` in HAProxy's configuration.")


class Agent(Transport[AgentOptions]):
    """Tells HAProxy how much room there is: the weight follows the free places, `drain` comes with a stop."""

    _server: asyncio.Server | None = None

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        self._socket = http.bound_socket(self.config.host, self.config.port)
        self._server = await asyncio.start_server(self._answer, sock=self._socket)

    async def stop_accepting(self) -> None:
        """Accept all the same: a balancer must hear `drain` as long as sessions are served to their end."""
        if self._server is not None:
            # Where systemd holds sockets, the daemon has stopped reading all of them, ours too.
            listening = self._socket.dup()
            self._server.close()
            self._server = await asyncio.start_server(self._answer, sock=listening)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A balancer that went away, or does not read, asks again soon.
        with contextlib.suppress(OSError):
            async with asyncio.timeout(WRITE_SECONDS):
                writer.write(line(self._sessions.occupancy()).encode())
                await writer.drain()
        writer.close()


def line(occupancy: Occupancy) -> str:
    """The line for HAProxy. A full daemon has the weight 0: no new streams come, and open ones stay.

    The weight is the number of free places, not their share: with `leastconn`, machines of different size then fill up
    evenly. With shares, the smallest would be the fullest.
    """
    if occupancy.draining:
        return "drain\n"
    # HAProxy takes no more than 100.
    free = min(max(occupancy.limit - occupancy.open, 0), 100)
    return f"ready up {free}%\n"
