"""A daemon of its own for a measurement, as a process: what it costs is then not mixed with what its clients cost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

START_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A daemon that is ready."""

    pid: int
    port: int
    start_seconds: float
    """From the start of the process to its being ready."""

    @property
    def asr(self) -> str:
        return f"ws://127.0.0.1:{self.port}/asr"

    async def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by its name with labels."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


class DaemonError(Exception):
    """The daemon does not start; what it says itself is on stderr."""


@asynccontextmanager
async def daemon(arguments: Sequence[str]) -> AsyncIterator[RunningProcess]:
    """`wlkd run` with `arguments` on a free port, until it is ready; stopped at the end.

    Raises `DaemonError` when it ends by itself or is not ready in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wlkd", "run", "--host", "127.0.0.1", "--port", str(port), *arguments
    )
    try:
        await _ready(process, port, began)
        yield RunningProcess(process.pid, port, time.monotonic() - began)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, port: int, began: float) -> None:
    async with aiohttp.ClientSession() as http:
        while process.returncode is None and time.monotonic() - began < START_SECONDS:
            # Nobody listens yet.
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)
    raise DaemonError(f"the daemon is not ready after {time.monotonic() - began:.0f} s")
