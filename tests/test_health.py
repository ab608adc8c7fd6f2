"""One judgement of the daemon's health."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from wlkd_scripted.backend import Scripted, ScriptedOptions

from tests.waiting import until
from tests.whole_core import opened
from wlkd.config import make_config
from wlkd.config.options import WorkerOptions
from wlkd.contract.components import Recognizer, StepPlan
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams
from wlkd.daemon.health import Health
from wlkd.daemon.pipeline import running_core
from wlkd.daemon.threads import Pools
from wlkd.inference.failures import MOST_FAILED_STEPS
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import load_plugins
from wlkd.sessions.admission import Admission
from wlkd.testing import free_port, running_daemon

HEALTHCHECK = Path(__file__).resolve().parent.parent / "container/healthcheck.py"
VALUES = {"warmup": False, "vad": {"name": "none"}, "decoders": {"pcm": {}}, "backend": {"name": "scripted"}}


def health_of(worker: Worker, admission: Admission) -> Health:
    return Health(lambda: [worker], admission, Metrics(), Pools.start(), stall_seconds=60)


async def test_a_worker_that_a_defect_has_ended_is_sick() -> None:
    plugins = load_plugins()
    sound = True

    def clock() -> float:
        if not sound:
            raise ArithmeticError("a mistake in the worker")
        return time.monotonic()

    worker = Worker(Scripted(ScriptedOptions()), WorkerOptions(), Metrics(), clock=clock)
    await worker.start(warm_up=False)

    async with running_core(make_config(VALUES, plugins), plugins) as core:
        health = health_of(worker, core.admission)
        assert health.sick_because() is None
        stream = worker.open(RecognitionParams(), lambda outcome: None)
        stream.push(Frame(0, np.zeros(16_000, dtype=np.float32)))
        stream.push(Pause(16_000))
        sound = False
        await until(lambda: worker.ended)
        sound = True
        assert health.sick_because() == "the inference worker has ended"
        assert health.status() == "the inference worker has ended"


async def test_a_backend_that_fails_for_everybody_is_sick_and_one_success_heals_it() -> None:
    plugins = load_plugins()
    worker = Worker(Scripted(ScriptedOptions(fail_on=" two")), WorkerOptions(), Metrics())
    await worker.start(warm_up=False)
    over = asyncio.Event()

    async def step(length: int) -> None:
        over.clear()
        stream = worker.open(RecognitionParams(), lambda outcome: over.set())
        stream.push(Frame(0, np.zeros(length, dtype=np.float32)))
        stream.push(Pause(length))
        await asyncio.wait_for(over.wait(), 5)
        stream.close()

    async with running_core(make_config(VALUES, plugins), plugins) as core:
        health = health_of(worker, core.admission)
        for _ in range(MOST_FAILED_STEPS):
            assert health.sick_because() is None
            await step(16_000)
        await until(lambda: worker.is_broken)
        assert health.sick_because() == "inference has failed 10 times in a row"
        await step(8_000)  # one word
        assert health.sick_because() is None
    await worker.close()


class Choosy(Scripted):
    """Fails at what comes with the prompt "poison"."""

    def __init__(self) -> None:
        super().__init__(ScriptedOptions())
        self._poisoned: list[Recognizer] = []

    def open(self, params: RecognitionParams) -> Recognizer:
        recognizer = super().open(params)
        self._poisoned += [recognizer] if params.static_prompt == "poison" else []
        return recognizer

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        if any(plan.recognizer in self._poisoned for plan in batch):
            raise ArithmeticError("a spectrum without end")
        return super().run(batch)


async def test_one_client_alone_does_not_take_the_daemon_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    plugins = load_plugins()
    worker = Worker(Choosy(), WorkerOptions(), Metrics())
    await worker.start(warm_up=False)
    async with running_core(make_config(VALUES, plugins), plugins) as core:
        health = health_of(worker, core.admission)
        for _ in range(2 * MOST_FAILED_STEPS):
            over = asyncio.Event()
            params = RecognitionParams(static_prompt="poison")
            stream = worker.open(params, lambda outcome, over=over: over.set())
            stream.push(Frame(0, np.zeros(16_000, dtype=np.float32)))
            stream.push(Pause(16_000))
            await asyncio.wait_for(over.wait(), 5)
            stream.close()
        await until(lambda: worker.failed_steps == 0)
        assert health.sick_because() is None
    assert sum("but it recognizes test speech" in message for message in caplog.messages) == 2
    await worker.close()


async def test_uploads_that_all_fail_are_told_and_live_clients_may_come_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hear = Scripted.run

    def hear_live_streams(self: Scripted, batch: Sequence[StepPlan]) -> list[Commit]:
        if any(plan.upload for plan in batch):
            raise ArithmeticError("the second model is gone")
        return hear(self, batch)

    monkeypatch.setattr(Scripted, "upload_seconds", 30.0)
    monkeypatch.setattr(Scripted, "run", hear_live_streams)
    plugins = load_plugins()
    async with running_core(make_config(VALUES, plugins), plugins) as core:
        health = Health(core.workers, core.admission, core.metrics, core.pools, stall_seconds=60)
        health.ready = True

        def metric() -> float | None:
            return core.metrics.registry.get_sample_value("wlkd_engine_fails_uploads", {"engine": "default"})

        for _ in range(MOST_FAILED_STEPS):
            assert metric() == 0 and "uploads" not in health.status()
            async with opened(core.admission, priority="upload") as session:
                await session.feed(bytes(32_000))
                await session.finish()
                with pytest.raises(SessionError, match="speech recognition failed"):
                    [update async for update in session.updates()]
        await until(lambda: metric() == 1)
        assert ", all uploads fail, wlkd " in health.status() and health.status().startswith("serving 0 of ")
        assert health.not_ready_because() is None


async def test_ready_means_listening_and_not_draining() -> None:
    plugins = load_plugins()
    async with running_core(make_config(VALUES, plugins), plugins) as core:
        health = Health(core.workers, core.admission, core.metrics, core.pools, stall_seconds=60)
        assert health.not_ready_because() == "starting"
        health.ready = True
        assert health.not_ready_because() is None
        assert health.status().startswith("serving 0 of ")
        core.admission.draining = True
        assert health.not_ready_because() == "draining"
        assert health.status().startswith("draining")


async def test_the_check_of_a_container_asks_no_proxy() -> None:
    async with running_daemon(VALUES) as daemon:
        environment = {"WLKD_PORT": str(daemon.port), "http_proxy": f"http://127.0.0.1:{free_port()}"}
        check = await asyncio.create_subprocess_exec(
            sys.executable, str(HEALTHCHECK), env=os.environ | environment, stdout=asyncio.subprocess.PIPE
        )
        assert (await check.communicate(), check.returncode) == ((b"ok\n", None), 0)
