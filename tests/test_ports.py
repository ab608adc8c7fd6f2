"""A port in use is a problem, unless it is the daemon that runs already: a check comes before its restart."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from wlkd_scripted.backend import Scripted

from tests.waiting import until
from wlkd import Problem
from wlkd.config import Certificate, make_config
from wlkd.config.ports import ports_in_use
from wlkd.contract.errors import ProvisionError
from wlkd.daemon.listeners import bind
from wlkd.daemon.pipeline import running_core
from wlkd.daemon.reload import Reload
from wlkd.host.systemd import InheritedSockets
from wlkd.plugins import load_plugins
from wlkd.testing import free_port, running_daemon

FIRST_FOR_ALL = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
"""The first port on which everybody may listen; those below are for root."""


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """Options of a server: plain, or with a certificate that nobody vouches for."""
    if request.param == "http":
        return {}
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    return make_certificate(tmp_path)


def make_certificate(folder: Path) -> dict[str, object]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
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


@pytest.mark.parametrize("server", ["https"], indirect=True)
async def test_a_change_to_or_from_tls_is_no_conflict(values: dict[str, Any]) -> None:
    plain = {**values, "server": {name: values["server"][name] for name in ("host", "port")}}
    for running, changed in ((plain, values), (values, plain)):
        async with running_daemon(running):
            assert await problems(changed) == []


@pytest.mark.parametrize("server", ["https"], indirect=True)
async def test_a_reload_serves_a_certificate_that_was_renewed(
    values: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    async def served() -> str:
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", values["server"]["port"]))

    async def reload(said: str) -> None:
        caplog.clear()
        daemon.daemon.reload()
        await until(lambda: said in caplog.text)

    async with running_daemon(values) as daemon:
        first = certificate.read_text()
        await reload("reloaded: no option changed")
        old_key = key.read_text()
        make_certificate(tmp_path)
        second, new_key = certificate.read_text(), key.read_text()
        key.write_text(old_key)
        await reload("reload refused")
        assert "server.tls_key: cannot use" in caplog.text and await served() == first
        key.write_text(new_key)
        await reload("reloaded: changed the certificate in server.tls_certificate")
        assert await served() == second != first


class Gone(Certificate):
    """Whose files vanish in the moment in which they are to be served."""

    def renew(self) -> bool:
        raise FileNotFoundError("key.pem")


@pytest.mark.parametrize("server", ["https"], indirect=True)
@pytest.mark.parametrize("kind", [Certificate, Gone], ids=["half renewed", "gone"])
async def test_a_certificate_that_cannot_be_used_once_a_model_is_loaded_changes_nothing(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Certificate]
) -> None:
    closed: list[Scripted] = []
    close = Scripted.close

    async def noted(backend: Scripted) -> None:
        closed.append(backend)
        await close(backend)

    monkeypatch.setattr(Scripted, "close", noted)
    plugins = load_plugins()
    config = make_config(values, plugins)
    slow = make_config({**values, "backend": {"name": "scripted", "options": {"load_seconds": 0.2}}}, plugins)
    certificate = kind(tmp_path / "cert.pem", tmp_path / "key.pem")
    old_key = (tmp_path / "key.pem").read_text()

    def loading(status: str) -> None:
        if kind is Certificate:
            make_certificate(tmp_path)
            (tmp_path / "key.pem").write_text(old_key)

    async with running_core(config, plugins) as core:
        before = core.engines
        reload = Reload(config, plugins, core, certificate, lambda: slow, loading)
        assert not await reload.run()
        assert core.engines is before
        assert [backend.config.load_seconds for backend in closed] == [0.2]


async def test_no_proxy_is_asked_whether_a_daemon_runs_here(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with running_daemon(values):
        assert await problems(values) == []


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
@pytest.mark.parametrize("server", ["http"], indirect=True)
async def test_an_ipv6_address_has_brackets(values: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    values["server"]["host"], port = "::1", values["server"]["port"]
    async with running_daemon(values):
        assert f"serving on [::1]:{port}" in caplog.text
        assert await problems(values) == [], "the daemon is found there"
        with pytest.raises(ProvisionError, match=rf"cannot listen on \[::1\]:{port}: "):
            bind("::1", port)
    with bind("::1", port) as sock:
        assert InheritedSockets([sock]).untaken == [f"[::1]:{port}"]


@pytest.mark.parametrize("server", ["http"], indirect=True)
async def test_a_port_that_is_for_root_alone(values: dict[str, Any], tmp_path: Path) -> None:
    port = values["server"]["port"] = 981
    if port >= FIRST_FOR_ALL:
        pytest.skip("every user may listen on every port here")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to hold such a port, and setpriv")
    (tmp_path / "wlkd.yaml").write_text(json.dumps(values))

    def check() -> str:
        """As the account of the service does it."""
        command = ["setpriv", "--bounding-set=-net_bind_service", sys.executable, "-m", "wlkd", "check"]
        return subprocess.run([*command, "--config", "wlkd.yaml"], cwd=tmp_path, capture_output=True, text=True).stderr

    assert check().splitlines()[-1] == (
        "wlkd.yaml:1: server.port: cannot listen on 127.0.0.1:981: Permission denied; "
        "port 981 is for root alone: choose one from 1024 on, or let wlkd.socket listen there"
    )
    async with running_daemon(values):  # as with the socket unit
        assert "cannot listen" not in await asyncio.to_thread(check)


async def test_another_program_is_a_conflict(values: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", values["server"]["port"])):
        [problem] = await problems(values)
    assert "another program listens" in problem.message


def with_transports(**transports: Any) -> dict[str, Any]:
    return {
        "vad": {"name": "none"},
        "backend": {"name": "scripted"},
        "transports": transports,
        "server": {"host": "127.0.0.1", "port": free_port()},
    }


async def test_a_transport_s_port_that_another_program_holds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [problem] = await problems(with_transports(tcp={"port": port}))
    assert problem.path == "transports.tcp.port" and f"another program listens on port {port}" in problem.message


async def test_a_second_port_of_a_transport() -> None:
    path = "transports.telephony.audiosocket_port"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [taken] = await problems(with_transports(telephony={"audiosocket_port": port}))
    assert taken.path == path and f"another program listens on port {port}" in taken.message
    values = with_transports(telephony={})
    server = values["transports"]["telephony"]["audiosocket_port"] = values["server"]["port"]
    [shared] = await problems(values)
    assert (shared.path, shared.message) == (
        path,
        f"server listens on port {server} too; give one of them another port",
    )
    [elsewhere] = await problems(
        with_transports(telephony={"audiosocket_host": "192.0.2.1", "audiosocket_port": free_port()})
    )
    assert elsewhere.path == "transports.telephony.audiosocket_host" and "cannot listen on" in elsewhere.message
    assert await problems(with_transports(telephony={"audiosocket_port": free_port()})) == []
    assert await problems(with_transports(telephony={})) == []


async def test_transports_of_a_daemon_that_runs_already_are_no_conflict() -> None:
    values = with_transports(websocket={}, tcp={"host": "127.0.0.1", "port": free_port()})
    async with running_daemon(values):
        assert await problems(values) == []


async def test_a_daemon_whose_server_had_another_port_is_no_conflict() -> None:
    port = free_port()
    program = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); input()"
    pipe = asyncio.subprocess.PIPE
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "/opt/wlkd/bin/wlkd", "run", stdin=pipe, stdout=pipe
    )
    assert daemon.stdout is not None
    await daemon.stdout.readline()
    assert await problems(with_transports(tcp={"port": port})) == []
    await daemon.communicate(b"\n")


async def test_a_port_that_two_want() -> None:
    wyoming = free_port()
    values = with_transports(tcp={}, wyoming={"port": wyoming}, agent={"host": "127.0.0.1", "port": wyoming})
    server = values["transports"]["tcp"]["port"] = values["server"]["port"]
    assert [(problem.path, problem.message) for problem in await problems(values)] == [
        ("transports.tcp.port", f"server listens on port {server} too; give one of them another port"),
        ("transports.agent.port", f"transports.wyoming listens on port {wyoming} too; give one of them another port"),
    ]


async def test_transports_share_the_ports_of_the_http_server() -> None:
    own = {"host": "127.0.0.1", "port": free_port()}
    assert await problems(with_transports(websocket={}, deepgram={}, openai=own, telephony=own)) == []
