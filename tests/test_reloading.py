"""A changed configuration, applied to a core in use: all of it, or nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until
from tests.whole_core import HALF_SECOND, PCM, SCRIPTED
from wlkd.config import Certificate, make_config
from wlkd.config.options import Config
from wlkd.contract.errors import ConfigError, Problem
from wlkd.daemon.pipeline import Core, running_core
from wlkd.daemon.reload import Reload, differences
from wlkd.plugins import load_plugins


def configuration(changes: Mapping[str, Any] = {}) -> Config:
    return make_config({**SCRIPTED, "sessions": {"max_sessions": 4}, **changes}, load_plugins())


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
