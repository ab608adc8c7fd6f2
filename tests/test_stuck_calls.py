"""Calls of plugins that never return: they are told, and cost others as little as can be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from wlkd_pcm.decoder import PcmStream

import wlkd.daemon.health
import wlkd.sessions.session
from tests.waiting import until
from tests.whole_core import HALF_SECOND, opened, rest, whole_core
from wlkd.contract.types import Samples
from wlkd.daemon.health import Health
from wlkd.daemon.pipeline import Core

STALL_SECONDS = 1.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Calls that wait for it return when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def stuck(core: Core) -> float | None:
    return core.metrics.registry.get_sample_value("wlkd_stuck_threads", {"pool": "audio"})


async def test_a_decoder_that_hangs_is_told_and_takes_no_place(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wlkd.sessions.session, "FREEING_SECONDS", 0.1)
    monkeypatch.setattr(wlkd.daemon.health, "WATCH_SECONDS", 0.05)
    feed = PcmStream.feed

    def hang(self: PcmStream, data: bytes) -> Samples:
        monkeypatch.setattr(PcmStream, "feed", feed)
        gate.wait()
        return feed(self, data)

    monkeypatch.setattr(PcmStream, "feed", hang)
    async with whole_core({"worker": {"stall_seconds": STALL_SECONDS}}) as core:
        health = Health(core.workers, core.admission, core.metrics, core.pools, STALL_SECONDS)
        watch = asyncio.create_task(health.watch_threads())
        async with opened(core.admission) as session:
            await session.feed(HALF_SECOND)
            await until(lambda: "in hang" in caplog.text)
            assert stuck(core) == 1 and health.sick_because() is None
        assert not core.admission.sessions
        async with opened(core.admission) as session:
            await session.feed(HALF_SECOND * 4)
            await session.finish()
            assert (await rest(session))[-1].text
        await asyncio.sleep(0.2)
        watch.cancel()
    assert caplog.text.count("for audio has not returned for") == 1, "it is told once"


async def test_a_daemon_that_can_hear_nobody_is_sick(gate: threading.Event) -> None:
    async with whole_core() as core:
        health = Health(core.workers, core.admission, core.metrics, core.pools, STALL_SECONDS)
        for _ in range(100):
            core.pools.files.submit(gate.wait)
        await until(lambda: core.pools.files.all_stuck(STALL_SECONDS))
        assert health.sick_because() is None, "live streams go on"
        for _ in range(100):
            core.pools.audio.submit(gate.wait)
        await until(lambda: health.sick_because() is not None)
        assert health.sick_because() == "every thread for live audio has been stuck for 1 s"
