"""A port in use is a problem, unless it is the daemon that runs already: a check comes before its restart."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from wlkd import Problem
from wlkd.config import make_config
from wlkd.config.ports import ports_in_use
from wlkd.plugins import load_plugins
from wlkd.testing import free_port, running_daemon


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """Options of a server: plain, or with a certificate that nobody vouches for."""
    if request.param == "http":
        return {}
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=speech.example.org", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return {"tls_certificate": str(certificate), "tls_key": str(key)}


@pytest.fixture
def values(server: dict[str, object]) -> dict[str, Any]:
    return {
        "vad": {"name": "none"},
        "backend": {"name": "scripted"},
        "transports": {"websocket": {}},
        "server": {"host": "127.0.0.1", "port": free_port(), **server},
    }


async def problems(values: dict[str, Any]) -> list[Problem]:
    config = make_config(values, load_plugins())
    return await asyncio.to_thread(lambda: list(ports_in_use(config)))


async def test_a_daemon_that_runs_already_is_no_conflict(values: dict[str, Any]) -> None:
    assert await problems(values) == []
    async with running_daemon(values):
        assert await problems(values) == []


async def test_another_program_is_a_conflict(values: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", values["server"]["port"])):
        [problem] = await problems(values)
    assert "another program listens" in problem.message
