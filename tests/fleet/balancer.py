"""The shipped HAProxy before daemons on this machine: addresses, the certificate and a smaller maxconn are put in."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from wlkd.testing import free_port

FLEET = Path(__file__).resolve().parents[2] / "etc" / "fleet"
WHERE = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")])
ADDRESSES = {"speech1": "10.71.0.11:7100", "speech2": "10.71.0.12:7100", "files1": "10.71.0.21:7100"}
"""Those in etc/fleet/haproxy.cfg."""
TOTALS = {"FRONTEND", "BACKEND"}
ADMIN = "admin.sock"


def program(name: str) -> str:
    """Its path; skips where it is not installed."""
    path = shutil.which(name, path=WHERE)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def certificate(folder: Path) -> Path:
    """Chain and key in one file, as HAProxy wants them."""
    key, chain, both = folder / "key.pem", folder / "chain.pem", folder / "wlkd.pem"
    command: list[str | Path] = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]
    command += ["-nodes", "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=speech.example.org"]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(chain.read_text() + key.read_text())
    return both


@dataclass(frozen=True)
class Node:
    """Where a daemon serves."""

    port: int
    agent_port: int


def printed(nodes: Mapping[str, Node], folder: Path, ports: Mapping[str, int]) -> str:
    """etc/fleet/haproxy.cfg with the addresses of `nodes` and `ports` instead of its own; new names are live ones."""
    text = (FLEET / "haproxy.cfg").read_text()
    nobody = {name: Node(free_port(), free_port()) for name in ADDRESSES}
    for name, node in {**nobody, **nodes}.items():
        address = f"127.0.0.1:{node.port} agent-port {node.agent_port}"
        if name in ADDRESSES:
            text = swapped(text, ADDRESSES[name], address)
        else:
            text = swapped(text, "\nbackend live\n", f"\nbackend live\n    server {name} {address}\n")
    # Whoever runs the tests may not have so many descriptors.
    text = swapped(text, "maxconn 20000", "maxconn 200")
    if os.geteuid() != 0:
        # Only root can change to another account.
        text = swapped(text, "    user haproxy\n    group haproxy\n", "")
    text = swapped(text, "/etc/haproxy/wlkd.pem", str(certificate(folder)))
    text = swapped(text, "\nglobal\n", f"\nglobal\n    stats socket {folder / ADMIN} level admin\n")
    for old, port in ports.items():
        text = swapped(text, f"bind {old}", f"bind 127.0.0.1:{port}")
    return text


def swapped(text: str, old: str, new: str) -> str:
    assert old in text, f"{old} is no longer in the shipped file"
    return text.replace(old, new)


class Balancer:
    """HAProxy, and what it says about its servers."""

    def __init__(self, http: aiohttp.ClientSession, ports: Mapping[str, int], admin: Path) -> None:
        self._http = http
        self._admin = admin
        self.url = f"ws://127.0.0.1:{ports[':7100']}/asr"
        self.plain = f"http://127.0.0.1:{ports[':7100']}"
        self._secure = f"https://127.0.0.1:{ports[':443']}"
        self._figures = f"http://127.0.0.1:{ports['127.0.0.1:8404']}"

    def get(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Over TLS."""
        return self._http.get(URL(f"{self._secure}{path}", encoded=True))

    async def servers(self, pool: str = "live") -> dict[str, dict[str, str]]:
        """Each server's row of HAProxy's statistics."""
        async with self._http.get(f"{self._figures}/;csv") as answer:
            rows = csv.DictReader((await answer.text()).removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == pool and row["svname"] not in TOTALS}

    async def command(self, commands: str) -> None:
        """As over its socket."""
        reader, writer = await asyncio.open_unix_connection(self._admin)
        writer.write(f"{commands}\n".encode())
        told = (await reader.read()).decode().strip()
        writer.close()
        assert not told, told

    async def shows(self, server: str, pool: str = "live", **wanted: str) -> None:
        """Wait until the statistics say so of `server`, e.g. `weight="50"`."""
        async with asyncio.timeout(15):
            while True:
                row: dict[str, str] = {}
                # It does not listen yet.
                with suppress(aiohttp.ClientConnectionError):
                    row = (await self.servers(pool))[server]
                if row and all(row[name].startswith(value) for name, value in wanted.items()):
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def balancer(nodes: Mapping[str, Node], folder: Path) -> AsyncIterator[Balancer]:
    """The shipped HAProxy before `nodes`, named as in its file."""
    ports = {old: free_port() for old in (":7100", ":443", "127.0.0.1:8404")}
    file = folder / "haproxy.cfg"
    await asyncio.to_thread(file.write_text, printed(nodes, folder, ports))
    process = await asyncio.create_subprocess_exec(program("haproxy"), "-db", "-f", str(file))
    try:
        trust = ssl.create_default_context(cafile=folder / "chain.pem")
        trust.check_hostname = False
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            yield Balancer(http, ports, folder / ADMIN)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
