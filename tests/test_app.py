"""The daemon's life in one process: start, drain, refusal, health."""

from __future__ import annotations

import asyncio
import json
import socket

import aiohttp
import pytest

from tests.waiting import until, until_metric
from tests.whole_core import HALF_SECOND, SCRIPTED, core, opened
from wlkd.config import make_config
from wlkd.contract.components import Backend, Component, Transport
from wlkd.contract.errors import ProvisionError, SessionError
from wlkd.daemon.app import Daemon
from wlkd.host.systemd import InheritedSockets
from wlkd.plugins import load_plugins
from wlkd.testing import free_port, running_daemon


async def test_a_stop_while_starting_does_not_wait_for_the_model(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    backend = {"name": "scripted", "options": {"load_seconds": 600}}
    plugins = load_plugins()
    config = make_config({**SCRIPTED, "backend": backend, "server": {"port": free_port()}}, plugins)
    daemon = Daemon(config, plugins)
    running = asyncio.create_task(daemon.run(lambda: pytest.fail("it is not ready")))
    await until(lambda: "loading the script" in caplog.text)
    daemon.stop()
    async with asyncio.timeout(5):
        await running


async def test_a_drain_delivers_every_word_and_refuses_newcomers() -> None:
    values = {**SCRIPTED, "transports": {"websocket": {"input": "pcm"}}}
    async with (
        running_daemon(values) as running,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{running.ws}/asr") as socket,
        http.ws_connect(f"{running.ws}/asr?priority=upload") as upload,
    ):
        for _ in range(8):
            await socket.send_bytes(HALF_SECOND)
        await until_metric(running.http, "wlkd_audio_received_seconds_total", 4.0)
        await until_metric(running.http, "wlkd_sessions_open", 2.0)
        running.daemon.stop()
        messages = [json.loads(message.data) async for message in socket]
        text = [message for message in messages if "lines" in message][-1]["lines"][-1]["text"]
        assert text == " one two three four five six seven eight"
        assert messages[-1]["code"] == "draining"
        # The upload may go on, and keeps the daemon.
        async with http.get(f"{running.http}/readyz") as ready, http.get(f"{running.http}/asr") as refused:
            assert (ready.status, await ready.text()) == (503, "draining\n")
            assert (refused.status, (await refused.json())["code"]) == (503, "draining")
        await upload.send_bytes(HALF_SECOND)
        await upload.send_bytes(b"")
        said = [await upload.receive_json()]
        while said[-1]["type"] != "ready_to_stop":
            said.append(await upload.receive_json())
        assert said[-2]["lines"][-1]["text"] == " one"


async def said_at_a_stop() -> str:
    """What a client is told last whose daemon stops behind its half second."""
    async with (
        running_daemon({**SCRIPTED, "transports": {"websocket": {"input": "pcm"}}}) as running,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{running.ws}/asr") as socket,
    ):
        await socket.send_bytes(HALF_SECOND)
        await until_metric(running.http, "wlkd_audio_received_seconds_total", 0.5)
        running.daemon.stop()
        messages = [json.loads(message.data) async for message in socket]
        return str([message["lines"][-1]["text"] for message in messages if message.get("lines")][-1])


async def test_a_transport_that_fails_to_stop_costs_nobody_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stop_accepting(self: Transport) -> None:
        raise ArithmeticError("a mistake in the plugin")

    monkeypatch.setattr(Transport, "stop_accepting", stop_accepting)
    assert await said_at_a_stop() == " one"
    assert "stop_accepting() failed" in caplog.text


async def test_what_fails_to_close_is_logged_and_all_else_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def close(self: Component) -> None:
        raise ArithmeticError("a mistake in the plugin")

    monkeypatch.setattr(Component, "close", close)
    assert await said_at_a_stop() == " one"
    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert {"wlkd_websocket.transport.WebSocket.close() failed", "wlkd_pcm.decoder.Pcm.close() failed"} <= {*told}


@pytest.mark.parametrize("turns", range(2, 6))
async def test_who_was_accepted_just_before_a_restart_is_served(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("wlkd.daemon.app.inherited_sockets", lambda: InheritedSockets([held]))
    port = held.getsockname()[1]
    async with running_daemon({**SCRIPTED, "transports": {"tcp": {"host": "127.0.0.1", "port": port}}}) as running:
        with socket.create_connection(("127.0.0.1", port)) as client:
            for _ in range(turns):
                await asyncio.sleep(0)  # The loop accepts the connection, and then looks at it.
            client.sendall(HALF_SECOND)
            client.shutdown(socket.SHUT_WR)
            running.daemon.stop()
            reader, writer = await asyncio.open_connection(sock=client)
            lines = [json.loads(line) async for line in reader]
            writer.close()
    assert [line.get("text") for line in lines] == [" one"], lines


async def test_a_drain_ends_live_audio_and_lets_uploads_go_on() -> None:
    async with (
        core() as admission,
        opened(admission) as live,
        opened(admission, priority="upload") as upload,
    ):
        for session in (live, upload):
            await session.feed(HALF_SECOND)
        admission.draining = True
        await admission.drain()
        with pytest.raises(SessionError, match="shutting down"):
            await live.feed(HALF_SECOND)
        await upload.feed(HALF_SECOND)
        await upload.finish()
        texts = []
        with pytest.raises(SessionError, match="shutting down"):
            async for update in live.updates():
                texts = [update.text]
        texts.append([update async for update in upload.updates()][-1].text)
    assert texts == [" one", " one two"]


async def tells_of_a_stuck_worker(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until the page says that something is wrong; it is that."""
    text = ""

    async def sick() -> bool:
        nonlocal text
        async with http.get(url) as answer:
            text = await answer.text()
            return answer.status == 503

    await until(sick)
    assert "inference has been stuck for" in text


async def test_a_stuck_worker_is_seen_and_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wlkd.inference.worker.CLOSE_SECONDS", 0.1)
    values = {**SCRIPTED, "transports": {"websocket": {"input": "pcm"}}}
    values["backend"] = {"name": "scripted", "options": {"step_seconds": 8}}
    values["worker"] = {"stall_seconds": 0.1}
    values["sessions"] = {"drain_seconds": 0.1}
    async with (
        asyncio.timeout(6),
        running_daemon(values) as running,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{running.ws}/asr") as socket,
    ):
        for _ in range(4):
            await socket.send_bytes(HALF_SECOND)
        for page in ("/healthz", "/readyz"):
            await tells_of_a_stuck_worker(http, running.http + page)


async def test_the_log_says_why_systemd_hears_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def place(self: Backend) -> str:
        raise ArithmeticError("a mistake in the plugin")

    async with running_daemon(SCRIPTED):
        monkeypatch.setattr(Backend, "place", place)
        await until(lambda: "a mistake in the plugin" in caplog.text)
    assert "a task that keeps watch has ended" in caplog.text


async def test_a_self_test_that_hangs_is_seen() -> None:
    values = {**SCRIPTED, "warmup": True, "sessions": {"drain_seconds": 0.1}}
    values["backend"] = {"name": "scripted", "options": {"step_seconds": 4}}
    values["worker"] = {"stall_seconds": 0.1}
    async with asyncio.timeout(6), running_daemon(values) as running, aiohttp.ClientSession() as http:
        await tells_of_a_stuck_worker(http, f"{running.http}/healthz")


async def test_a_port_that_is_taken_is_told_before_a_model_is_loaded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ProvisionError, match="Address already in use"):
        async with running_daemon({"server": {"port": other.getsockname()[1]}, "warmup": True}):
            pass
    assert "warming up" not in caplog.text


async def test_what_may_be_counted_is_shown_at_0_from_the_start() -> None:
    async with running_daemon(SCRIPTED) as daemon, aiohttp.request("GET", f"{daemon.http}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    for series in (
        'wlkd_sessions_refused_total{reason="server_full"}',
        'wlkd_sessions_resumed_total{from="here"}',
        'wlkd_sessions_resumed_total{from="elsewhere"}',
        'wlkd_engine_handovers_total{engine="default"}',
    ):
        assert f"{series} 0.0" in lines


async def test_no_series_says_when_another_one_was_made() -> None:
    async with running_daemon(SCRIPTED) as daemon, aiohttp.request("GET", f"{daemon.http}/metrics") as answer:
        text = await answer.text()
    assert "wlkd_inference_steps_total" in text and "_created" not in text
