"""The daemon's life in one process: reload, drain, refusal, health."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.waiting import until, until_metric
from wlkd.config import Certificate, make_config
from wlkd.config.options import Config
from wlkd.contract.components import Backend, Component, Transport
from wlkd.contract.errors import ConfigError, Problem, ProvisionError, SessionError
from wlkd.contract.types import StreamOffer
from wlkd.daemon.app import Daemon
from wlkd.daemon.pipeline import Core, running_core
from wlkd.daemon.reload import Reload, differences
from wlkd.host.systemd import InheritedSockets
from wlkd.plugins import load_plugins
from wlkd.testing import free_port, running_daemon

BASE: dict[str, Any] = {
    "warmup": False,
    "vad": {"name": "none"},
    "decoders": {"pcm": {}},
    "backend": {"name": "scripted"},
    "sessions": {"max_sessions": 4},
}
PCM = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)
HALF_SECOND = b"\x00\x20" * 8000


def configuration(changes: Mapping[str, Any] = {}) -> Config:
    return make_config({**BASE, **changes}, load_plugins())


class Rig:
    """A core, and a reload whose next configuration a test sets."""

    def __init__(self, config: Config, core: Core) -> None:
        self.core = core
        self.next: Config | Exception = config
        self.free: int | None = None
        self.said: list[str] = []
        self.reload = Reload(
            config, load_plugins(), core, Certificate(None, None), self._read, self.said.append, lambda: self.free
        )

    def _read(self) -> Config:
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    async def words(self, pieces: int = 2, **query: str) -> str:
        async with self.core.admission.open(PCM, transport="test", peer="here", query=query) as session:
            for _ in range(pieces):
                await session.feed(HALF_SECOND)
            await session.finish()
            return [update async for update in session.updates()][-1].text


@asynccontextmanager
async def rig(changes: Mapping[str, Any] = {}) -> AsyncIterator[Rig]:
    config = configuration(changes)
    async with running_core(config, load_plugins()) as core:
        yield Rig(config, core)


def test_differences_name_the_innermost_option() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": {"name": "x", "options": {}}}
    new = {"a": {"b": 1, "c": [1]}, "d": {"name": "y", "options": {"k": 1}}, "e": None}
    assert sorted(differences(old, new)) == ["a.c", "d.name", "d.options.k", "e"]
    assert list(differences(old, old)) == []


async def test_limits_and_defaults_apply_to_newcomers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with rig() as it:
        it.next = configuration({"sessions": {"max_sessions": 1}, "recognition": {"language": "de"}})
        async with it.core.admission.open(PCM, transport="test", peer="here"):
            assert it.core.admission.refusal() is None
            assert await it.reload.run()
            refusal = it.core.admission.refusal()
            assert refusal is not None and refusal.code == "server_full"
        async with it.core.admission.open(PCM, transport="test", peer="here") as session:
            assert session.info.params.language == "de"
        assert "reloaded: changed recognition.language, sessions.max_sessions" in caplog.text


async def test_a_limit_that_the_daemon_is_to_find_is_measured_once_nobody_is_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    fixed: dict[str, Any] = {"warmup": True, "sessions": {"max_sessions": 10}}
    found = "on this machine ("
    async with rig(fixed) as it:
        async with it.core.admission.open(PCM, transport="test", peer="here"):
            it.next = configuration({**fixed, "sessions": {"max_sessions": "auto"}})
            assert await it.reload.run()
            assert "measured as soon as nobody is here" in caplog.text and found not in caplog.text
        await until(lambda: found in caplog.text)
        caplog.clear()
        for limit in (10, "auto"):
            it.next = configuration({**fixed, "sessions": {"max_sessions": limit}})
            assert await it.reload.run()
        assert "measured" not in caplog.text, "it is known already"


async def test_tokens_apply_and_an_empty_file_is_refused(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tokens = tmp_path / "tokens"
    tokens.write_text("old\n")
    async with rig({"auth": {"tokens_file": str(tokens)}}) as it:
        tokens.write_text("# nobody\n")
        assert not await it.reload.run()
        assert "holds no token" in caplog.text and it.core.admission.refusal("old") is None
        tokens.write_text("new\n")
        assert await it.reload.run()
        assert it.core.admission.refusal("old") is not None and it.core.admission.refusal("new") is None
        assert "reloaded: changed the tokens in auth.tokens_file" in caplog.text
        assert await it.reload.run()
        assert "reloaded: no option changed" in caplog.text


async def test_other_keys_in_the_same_file_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    keys = tmp_path / "keys"
    keys.write_text("a" * 32)
    async with rig({"auth": {"continuation_key": str(keys)}}) as it:
        assert await it.reload.run()
        assert "reloaded: no option changed" in caplog.text
        keys.write_text("b" * 32 + "\n" + "a" * 32)
        assert await it.reload.run()
        assert "reloaded: changed the keys in auth.continuation_key" in caplog.text


async def test_what_needs_a_restart_is_named_until_it_came(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as it:
        diarizer = {"name": "campplus"}
        it.next = configuration({"server": {"port": 7201}, "worker": {"max_batch": 3}, "diarizer": diarizer})
        for _ in range(2):
            caplog.clear()
            assert await it.reload.run()
            assert "a restart is needed for diarizer, server.port, worker.max_batch" in caplog.text
        assert it.reload.config.server.port != 7201


async def test_a_broken_configuration_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as it:
        before = it.reload.config
        it.next = ConfigError([Problem("server.port", "must be at most 65535, not 70000", "wlkd.yaml", 3)])
        assert not await it.reload.run()
        assert "wlkd.yaml:3: server.port: must be at most 65535" in caplog.text
        it.next = RuntimeError("a plugin's mistake")
        assert not await it.reload.run()
        assert it.reload.config is before and await it.words() == " one two"


async def test_a_language_that_the_running_model_does_not_know_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as it:
        before, it.next = it.reload.config, configuration({"recognition": {"language": "ja"}})
        assert not await it.reload.run()
        assert "does not know ja" in caplog.text
        assert it.reload.config is before and await it.words() == " one two"


async def test_the_metrics_of_the_worker_are_those_of_this_moment() -> None:
    def busy() -> float:
        return it.core.metrics.registry.get_sample_value("wlkd_inference_busy_ratio", {"engine": "default"}) or 0.0

    async with rig({"backend": {"name": "scripted", "options": {"step_seconds": 0.05}}}) as it:
        await it.words()
        first = busy()
        await until(lambda: busy() < first)  # it fades while nobody speaks
        assert busy() > 0
        it.next = configuration({"backend": {"name": "scripted", "options": {"script": [" new"]}}})
        assert await it.reload.run()
        assert busy() == 0, "that of the model that was replaced"


async def test_a_new_model_takes_over_and_the_old_one_leaves_with_its_last_session() -> None:
    async with rig({"backend": {"name": "scripted", "options": {"script": [" old"]}}}) as it:
        admission = it.core.admission
        async with admission.open(PCM, transport="test", peer="here") as session:
            await session.feed(HALF_SECOND)
            it.next = configuration({"backend": {"name": "scripted", "options": {"script": [" new"]}}})
            assert await it.reload.run()
            assert await it.words() == " new new"
            assert len(list(it.core.workers())) == 2
            await session.feed(HALF_SECOND)
            await session.finish()
            assert [update async for update in session.updates()][-1].text == " old old"
        await until(lambda: len(list(it.core.workers())) == 1)
        assert await it.words() == " new new"


async def test_a_model_that_does_not_fit_is_refused_with_the_figures(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as it:
        it.free = 1_000_000_000
        backend = {"name": "scripted", "options": {"memory_bytes": 3_100_000_000, "script": [" new"]}}
        it.next = configuration({"backend": backend, "sessions": {"max_sessions": 1}})
        assert not await it.reload.run()
        assert "needs about 3.1 GB beside the old one, and 1.0 GB are free" in caplog.text
        assert it.core.admission.max_sessions == 4, "half of the new configuration was applied"
        assert await it.words() == " one two"
        it.free = None
        assert await it.reload.run() and await it.words() == " new new"


async def test_a_stop_while_starting_does_not_wait_for_the_model(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    backend = {"name": "scripted", "options": {"load_seconds": 600}}
    plugins = load_plugins()
    config = make_config({**BASE, "backend": backend, "server": {"port": free_port()}}, plugins)
    daemon = Daemon(config, plugins)
    running = asyncio.create_task(daemon.run(lambda: pytest.fail("it is not ready")))
    await until(lambda: "loading the script" in caplog.text)
    daemon.stop()
    async with asyncio.timeout(5):
        await running


async def test_a_drain_delivers_every_word_and_refuses_newcomers() -> None:
    values = {**BASE, "transports": {"websocket": {"input": "pcm"}}}
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
        running_daemon({**BASE, "transports": {"websocket": {"input": "pcm"}}}) as running,
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
    async with running_daemon({**BASE, "transports": {"tcp": {"host": "127.0.0.1", "port": port}}}) as running:
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
    async with rig() as it:
        admission = it.core.admission
        async with (
            admission.open(PCM, transport="test", peer="here") as live,
            admission.open(PCM, transport="test", peer="here", priority="upload") as upload,
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
    values = {**BASE, "transports": {"websocket": {"input": "pcm"}}}
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

    async with running_daemon(BASE):
        monkeypatch.setattr(Backend, "place", place)
        await until(lambda: "a mistake in the plugin" in caplog.text)
    assert "a task that keeps watch has ended" in caplog.text


async def test_a_self_test_that_hangs_is_seen() -> None:
    values = {**BASE, "warmup": True, "sessions": {"drain_seconds": 0.1}}
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
    async with running_daemon(BASE) as daemon, aiohttp.request("GET", f"{daemon.http}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    for series in (
        'wlkd_sessions_refused_total{reason="server_full"}',
        'wlkd_sessions_resumed_total{from="here"}',
        'wlkd_sessions_resumed_total{from="elsewhere"}',
        'wlkd_engine_handovers_total{engine="default"}',
    ):
        assert f"{series} 0.0" in lines


async def test_no_series_says_when_another_one_was_made() -> None:
    async with running_daemon(BASE) as daemon, aiohttp.request("GET", f"{daemon.http}/metrics") as answer:
        text = await answer.text()
    assert "wlkd_inference_steps_total" in text and "_created" not in text
