"""The machines of the fleet and the balancer before them, each in a network namespace of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from wlkd_bench.fleet_proof.network import inside

START_SECONDS = 120.0
RESTART_SECONDS = 1.0
"""RestartSec= of systemd/wlkd.service."""
PROBE = aiohttp.ClientTimeout(total=0.5)


async def until_ready(name: str, address: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """It answers on port 7100. Raises `RuntimeError` when `process` ends."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"{name} ended: see {log}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"http://{address}:7100/readyz", timeout=PROBE) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


@dataclass
class Machine:
    """One `wlkd run`, which can be killed, drained and paused."""

    name: str
    address: str
    places: int
    options: Mapping[str, Any]
    """Of its configuration, besides what makes it one of a fleet."""
    folder: Path
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Until it is ready. Its log is `NAME.log`. Raises `RuntimeError` when it ends."""
        sessions = {"max_sessions": self.places, "max_sessions_per_address": None}
        values = {
            **self.options,
            "sessions": sessions,
            "auth": {"continuation_key": str(self.folder / "continuation-key")},
            "transports": {"websocket": {"input": "pcm"}, "agent": {}},
        }
        file = self.folder / f"{self.name}.yaml"
        file.write_text(json.dumps(values))
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *inside(self.name), sys.executable, "-m", "wlkd", "run", "--config", str(file), stderr=log
            )
        await until_ready(self.name, self.address, self._process, Path(log.name))

    async def taken(self, http: aiohttp.ClientSession) -> int | None:
        """Its open streams; None: it does not answer."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"http://{self.address}:7100/metrics", timeout=PROBE) as answer:
                lines = (await answer.text()).splitlines()
                return round(sum(float(line.split()[-1]) for line in lines if line.startswith("wlkd_sessions_open{")))
        return None

    async def kill(self) -> None:
        """SIGKILL; it starts again, as systemd would start it."""
        self._running.kill()
        await self._running.wait()
        await asyncio.sleep(RESTART_SECONDS)
        await self.start()

    async def drain(self) -> None:
        """SIGTERM, as for an update; it starts again when it has ended."""
        await self.stop()
        await self.start()

    async def pause(self, seconds: float) -> None:
        """SIGSTOP, for so long."""
        self._running.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._running.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


class Balancer:
    """HAProxy with the shipped file: its addresses are those of the machines."""

    def __init__(self, name: str, address: str, file: Path, folder: Path) -> None:
        """`file`: etc/fleet/haproxy.cfg. Raises `SystemExit` when it is not there."""
        self._address = address
        if not file.is_file():
            raise SystemExit(f"{file} is not there: run this in a checkout, or name the file with --haproxy")
        self._name = name
        self._shipped = file.read_text()
        self._file = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        self._added: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None

    def _write(self) -> None:
        lines = []
        for line in self._shipped.splitlines():
            # Its key and chain belong to somebody else; the streams here come to port 7100.
            if "ssl crt" in line:
                continue
            # Whoever runs this may not have so many descriptors.
            lines.append(line.replace("maxconn 20000", "maxconn 2000"))
            if line == "backend live":
                lines += [f"    server {name} {address}:7100" for name, address in self._added.items()]
        self._file.write_text("\n".join([*lines, ""]))

    async def start(self) -> None:
        """Until it has a machine for a stream. Raises `RuntimeError` when it ends."""
        self._write()
        command = [*inside(self._name), "haproxy", "-W", "-db", "-f", str(self._file)]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        await until_ready(self._name, self._address, self._process, self._log)

    def add(self, machine: Machine) -> None:
        """A `server` line for it, from the next start or reload on."""
        self._added[machine.name] = machine.address

    async def reload(self) -> None:
        """What `systemctl reload haproxy` does: open streams stay with the old process."""
        assert self._process is not None
        self._write()
        self._process.send_signal(signal.SIGUSR2)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
