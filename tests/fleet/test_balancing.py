"""Daemons behind the shipped HAProxy: weights follow free places, and who drains or dies gets nobody new."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fleet.balancer import FLEET, Balancer, Node, balancer
from wlkd.testing import RunningDaemon, free_port, running_daemon, speech_like

DOCUMENT = FLEET.parents[1] / "docs" / "fleet.md"
PLACES = 4
AUDIO = (speech_like(1) * 32767).astype("<i2").tobytes()


@asynccontextmanager
async def started(node: Node, places: int = PLACES) -> AsyncIterator[RunningDaemon]:
    values: dict[str, Any] = {
        "vad": {"name": "none"},
        "decoders": {"pcm": {}},
        "transports": {
            "websocket": {"input": "pcm"},
            "agent": {"host": "127.0.0.1", "port": node.agent_port},
        },
        "sessions": {"max_sessions": places, "linger_seconds": 20},
        "server": {"host": "127.0.0.1", "port": node.port},
    }
    async with running_daemon(values) as daemon:
        yield daemon


def node() -> Node:
    return Node(free_port(), free_port())


@dataclass
class Fleet:
    nodes: dict[str, Node]
    daemons: dict[str, RunningDaemon]
    stacks: dict[str, AsyncExitStack]
    balancer: Balancer
    http: aiohttp.ClientSession
    sockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    async def connect(self, count: int, **wishes: str) -> None:
        for _ in range(count):
            socket = await self.http.ws_connect(self.balancer.url, params=wishes)
            assert (await socket.receive_json())["type"] == "config"
            self.sockets.append(socket)

    async def metric(self, name: str, line: str) -> float:
        async with self.http.get(f"http://127.0.0.1:{self.nodes[name].port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(each.rpartition(" ")[2]) for each in lines if each.startswith(line))

    async def open(self, name: str) -> int:
        return round(await self.metric(name, "wlkd_sessions_open{"))

    async def stop(self, name: str) -> None:
        await self.stacks.pop(name).aclose()


@asynccontextmanager
async def fleet(folder: Path, **places: int) -> AsyncIterator[Fleet]:
    nodes = {name: node() for name in ("speech1", "speech2", "files1")}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        daemons, stacks = {}, {}
        for name, count in places.items():
            stacks[name] = await stack.enter_async_context(AsyncExitStack())
            daemons[name] = await stacks[name].enter_async_context(started(nodes[name], count))
        front = await stack.enter_async_context(balancer(nodes, folder))
        made = Fleet(nodes, daemons, stacks, front, http)
        for name in places:
            await front.shows(name, pool="files" if name == "files1" else "live", status="UP", weight=str(places[name]))
        try:
            yield made
        finally:
            for socket in made.sockets:
                await socket.close()


async def test_unequal_machines_fill_up_together_and_nobody_is_refused_while_a_place_is_free(tmp_path: Path) -> None:
    async with fleet(tmp_path, speech1=8, speech2=4) as running:
        await running.connect(2)
        assert [await running.open(name) for name in running.daemons] == [1, 1]
        await running.balancer.shows("speech1", weight="7")
        await running.balancer.shows("speech2", weight="3")
        # Faster than the agent is asked: those that a full machine refuses are brought to the other one.
        await running.connect(10)
        assert [await running.open(name) for name in running.daemons] == [8, 4]
        for name in running.daemons:
            await running.balancer.shows(name, weight="0")
        async with running.http.get(f"{running.balancer.plain}/readyz") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_machine_that_drains_gets_nobody_new_and_keeps_whom_it_has(tmp_path: Path) -> None:
    async with fleet(tmp_path, speech1=8, speech2=8) as running:
        await running.connect(2)
        running.daemons["speech1"].daemon.stop()
        # Not even in the second until the balancer knows.
        await running.connect(3)
        await running.balancer.shows("speech1", status="D")
        assert [await running.open(name) for name in running.daemons] == [1, 4]
        for socket in running.sockets:
            await socket.send_bytes(AUDIO)
            await socket.send_bytes(b"")
        for socket in running.sockets:
            texts = await asyncio.wait_for(said(socket), 10)
            assert texts[-1] == " one two"


async def test_a_machine_is_emptied_by_the_command_of_the_document(tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    (empty,) = re.findall(r'echo "(.+?)" \\\| socat', text)
    (undo,) = re.findall(r"To undo it: `(.+?)`", text)
    async with fleet(tmp_path, speech1=8, speech2=8) as running:
        await running.connect(2)
        await running.balancer.command(empty)
        await asyncio.sleep(2.5)  # The agent is asked every second.
        await running.connect(3)
        assert [await running.open(name) for name in running.daemons] == [1, 4]
        await running.balancer.command(undo)
        await running.balancer.shows("speech1", status="UP", weight="7")
        await running.balancer.shows("speech2", weight="4")


async def said(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    texts = []
    async for message in socket:
        update = message.json()
        if update["type"] == "ready_to_stop":
            break
        texts.append("".join(line["text"] for line in update.get("lines", [])))
    return texts


async def test_a_machine_that_is_gone_costs_newcomers_nothing(tmp_path: Path) -> None:
    async with fleet(tmp_path, speech1=8, speech2=8) as running:
        await running.stop("speech1")
        await running.connect(3)
        assert await running.open("speech2") == 3
        await running.balancer.shows("speech1", status="DOWN")
        running.stacks["speech1"] = AsyncExitStack()
        async with running.stacks["speech1"], started(running.nodes["speech1"], 8):
            await running.balancer.shows("speech1", status="UP", weight="8")


@pytest.mark.parametrize("files", [True, False])
async def test_recordings_have_machines_of_their_own_as_long_as_they_are_there(tmp_path: Path, files: bool) -> None:
    places = {"speech1": 4, "speech2": 4} | ({"files1": 4} if files else {})
    async with fleet(tmp_path, **places) as running:
        if not files:
            await running.balancer.shows("files1", pool="files", status="DOWN")
        await running.connect(2, priority="upload")
        await running.connect(2)
        expected = [1, 1, 2] if files else [2, 2]
        assert [await running.open(name) for name in running.daemons] == expected


async def test_the_page_comes_over_tls_and_the_figures_stay_inside(tmp_path: Path) -> None:
    async with fleet(tmp_path, speech1=4) as running:
        figures = ("/metrics", "//metrics", "/%6detrics")
        for path, status in (("/readyz", 200), ("/", 200), *((path, 403) for path in figures)):
            async with running.balancer.get(path) as answer:
                assert answer.status == status
