"""The agent-check, as HAProxy asks it."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from wlkd_agent.transport import line

from wlkd import Occupancy
from wlkd.host.systemd import InheritedSockets
from wlkd.testing import free_port, running_daemon


@pytest.mark.parametrize(
    ("occupancy", "told"),
    [
        (Occupancy(0, 24, False), "ready up 24%\n"),
        (Occupancy(6, 24, False), "ready up 18%\n"),
        (Occupancy(999, 1000, False), "ready up 1%\n"),
        (Occupancy(0, 1000, False), "ready up 100%\n"),
        (Occupancy(24, 24, False), "ready up 0%\n"),
        (Occupancy(9, 7, False), "ready up 0%\n"),  # the estimate fell below what is open
        (Occupancy(3, 24, True), "drain\n"),
    ],
)
def test_the_weight_is_the_number_of_free_places(occupancy: Occupancy, told: str) -> None:
    assert line(occupancy) == told


async def asked(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = await reader.read()
    writer.close()
    return told.decode()


async def test_a_balancer_hears_of_each_session() -> None:
    port = free_port()
    transports = {"websocket": {}, "agent": {"host": "127.0.0.1", "port": port}}
    async with running_daemon({"transports": transports, "sessions": {"max_sessions": 4}}) as running:
        assert await asked(port) == "ready up 4%\n"
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{running.ws}/asr?format=pcm") as stream:
            await stream.receive_json()
            assert await asked(port) == "ready up 3%\n"
        # The daemon may not have seen the socket close yet; each question gives it a turn.
        assert "ready up 4%\n" in [await asked(port) for _ in range(100)]


@pytest.mark.parametrize("held", [False, True])
async def test_a_balancer_hears_of_a_drain_to_its_end(held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`held`: systemd holds the sockets, and those who come in the drain wait for the next instance."""
    port = free_port()
    if held:
        another = socket.create_server(("127.0.0.1", 0))
        monkeypatch.setattr("wlkd.daemon.app.inherited_sockets", lambda: InheritedSockets([another]))
    transports = {"websocket": {}, "agent": {"host": "127.0.0.1", "port": port}}
    values = {"transports": transports, "sessions": {"linger_seconds": 20}}
    async with (
        running_daemon(values) as running,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{running.ws}/asr?format=pcm") as waiting,
    ):
        await waiting.receive_json()
        running.daemon.stop()
        async with asyncio.timeout(5):
            while await asked(port) != "drain\n":
                continue
        assert [await asked(port) for _ in range(3)] == 3 * ["drain\n"]
