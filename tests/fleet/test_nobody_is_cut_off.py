"""Three machines behind the shipped HAProxy: one drains, one dies, and nobody who can resume loses a word."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.fleet.balancer import FLEET, Node, balancer
from tests.scripted import spoken
from wlkd.client import LiveAudio, Transcript, connect_resuming
from wlkd.testing import free_port, running_daemon, speech_like

CLIENTS = 8
SECONDS = 6
PIECE = 3200
"""Bytes of 0.1 s."""
AUDIO = (speech_like(SECONDS) * 32767).astype("<i2").tobytes()
SPOKEN = spoken(SECONDS).split()
"""What an undisturbed stream has."""


def configuration(node: Node, folder: Path) -> dict[str, Any]:
    return {
        "vad": {"name": "none"},
        "decoders": {"pcm": {}},
        "backend": {"name": "scripted"},
        "transports": {"websocket": {"input": "pcm"}, "agent": {"host": "127.0.0.1", "port": node.agent_port}},
        "server": {"host": "127.0.0.1", "port": node.port},
        "sessions": {"max_sessions": 2 * CLIENTS},
        "auth": {"continuation_key": str(folder / "key")},
        "warmup": False,
    }


@asynccontextmanager
async def machine(node: Node, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """One that can be killed."""
    file = folder / f"{node.port}.yaml"
    await asyncio.to_thread(file.write_text, json.dumps(configuration(node, folder)))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "wlkd", "run", "--config", str(file))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ready(node: Node) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            # It does not listen yet.
            with suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://127.0.0.1:{node.port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def streams(node: Node) -> int:
    """Open ones, as the machine counts."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{node.port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return round(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("wlkd_sessions_open{")))


class Listener:
    """Speaks to each of the places `pauses`, and on when it may; keeps what it is told."""

    def __init__(self, url: str, pauses: Sequence[int]) -> None:
        self.texts: list[str] = []
        self.said: list[str] = []
        self.connected = asyncio.Event()
        self.may_go_on = [asyncio.Event() for _ in pauses]
        self._pauses = pauses
        self._audio = LiveAudio()
        self.task = asyncio.create_task(self._run(url))

    async def _run(self, url: str) -> Transcript:
        async with connect_resuming(url, self._audio, pcm=True, say=self.said.append) as stream:
            self.connected.set()
            speaking = asyncio.create_task(self._speak())
            async for update in stream.updates():
                last = update
                self.texts.append(update.committed)
            await speaking
        return last

    async def _speak(self) -> None:
        for at in range(0, len(AUDIO), PIECE):
            for pause, may_go_on in zip(self._pauses, self.may_go_on, strict=True):
                if at >= pause:
                    await may_go_on.wait()
            await self._audio.add(AUDIO[at : at + PIECE])
        await self._audio.end()

    def check(self, last: Transcript) -> None:
        assert last.committed.split() == SPOKEN
        assert all(after.startswith(before) for before, after in zip(self.texts, self.texts[1:], strict=False))

    @property
    def resumed(self) -> int:
        """How often."""
        return self.said.count("connected again, and nothing is lost")


@pytest.mark.parametrize("seed", [0])
async def test_one_machine_drains_and_one_dies_at_random_moments(tmp_path: Path, seed: int) -> None:
    await asyncio.to_thread((tmp_path / "key").write_text, "a secret of at least thirty-two characters\n")
    moments = random.Random(seed)
    nodes = {name: Node(free_port(), free_port()) for name in ("speech1", "speech2", "speech3")}
    drained, killed, left = moments.sample(sorted(nodes), 3)
    async with AsyncExitStack() as stack:
        machines = {name: await stack.enter_async_context(machine(nodes[name], tmp_path)) for name in (drained, killed)}
        await stack.enter_async_context(running_daemon(configuration(nodes[left], tmp_path)))
        await asyncio.gather(*map(ready, nodes.values()))
        front = await stack.enter_async_context(balancer(nodes, tmp_path))
        for name in nodes:
            await front.shows(name, status="UP", weight=str(2 * CLIENTS))
        listeners = [
            Listener(front.url, sorted(moments.randrange(len(AUDIO)) for _ in range(2))) for _ in range(CLIENTS)
        ]
        for listener in listeners:
            await listener.connected.wait()
        carried = {name: await streams(node) for name, node in nodes.items()}
        assert sum(carried.values()) == CLIENTS and min(carried.values()) >= 1
        for turn, (name, how) in enumerate(((drained, signal.SIGTERM), (killed, signal.SIGKILL))):
            await asyncio.sleep(moments.uniform(0, 0.5))
            before = await streams(nodes[name])
            resumed = sum(listener.resumed for listener in listeners)
            machines[name].send_signal(how)
            await machines[name].wait()
            for listener in listeners:
                listener.may_go_on[turn].set()
            async with asyncio.timeout(20):
                while sum(listener.resumed for listener in listeners) < resumed + before:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        for listener in listeners:
            listener.check(await asyncio.wait_for(listener.task, 30))
        assert [machines[name].returncode for name in (drained, killed)] == [0, -signal.SIGKILL]


def documented() -> dict[str, Any]:
    """What docs/fleet.md says of `sessions`."""
    text = (FLEET.parents[1] / "docs" / "fleet.md").read_text()
    (block,) = (block for block in re.findall(r"```yaml\n(.+?)```", text, re.S) if block.startswith("auth:"))
    sessions: dict[str, Any] = yaml.safe_load(block)["sessions"]
    return sessions


async def test_all_find_a_place_again_when_every_connection_of_a_full_fleet_breaks(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "key").write_text, "a secret of at least thirty-two characters\n")
    nodes = {name: Node(free_port(), free_port()) for name in ("speech1", "speech2")}
    async with AsyncExitStack() as stack:
        for node in nodes.values():
            sessions = {**documented(), "max_sessions": 2}
            await stack.enter_async_context(running_daemon({**configuration(node, tmp_path), "sessions": sessions}))
        front = await stack.enter_async_context(balancer(nodes, tmp_path))
        for name in nodes:
            await front.shows(name, status="UP", weight="2")
        listeners = [Listener(front.url, [len(AUDIO) // 2]) for _ in range(4)]
        for listener in listeners:
            await listener.connected.wait()
            # Without a word of its server, a client has nothing to come back with.
            await until_told(listener)
        for name in nodes:
            await front.shows(name, weight="0")
        # As when their balancer dies.
        await front.command("; ".join(f"shutdown sessions server live/{name}" for name in nodes))
        async with asyncio.timeout(15):
            while not all(listener.resumed for listener in listeners):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for listener in listeners:
            listener.may_go_on[0].set()
            listener.check(await asyncio.wait_for(listener.task, 30))


async def until_told(listener: Listener) -> None:
    async with asyncio.timeout(15):
        while not listener.texts:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
