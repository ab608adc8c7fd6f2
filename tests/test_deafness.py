"""A session that hears speech and writes nothing raises an alarm, which committed words alone end."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from wlkd.config import make_config
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Frame, Priority, StreamOffer
from wlkd.daemon.pipeline import running_core
from wlkd.plugins import load_plugins
from wlkd.sessions.deafness import Deafness

PCM = StreamOffer(encoding="s16le", sample_rate=SAMPLE_RATE, channels=1)


def speech(at: float, seconds: float) -> Frame:
    return Frame(round(at * SAMPLE_RATE), np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32))


def test_half_a_minute_of_speech_without_a_word_raises_the_alarm_once() -> None:
    deafness = Deafness()

    def raised(at: float) -> bool:
        deafness.heard(speech(at, 1))
        return deafness.raised(0)

    assert [raised(at) for at in range(32)] == [False] * 29 + [True, False, False]
    assert deafness.alarm
    assert deafness.relieved() and not deafness.alarm
    deafness.heard(speech(32, 29))
    assert not deafness.raised(0), "a committed word begins the count anew"


def test_silence_and_speech_of_long_ago_do_not_count() -> None:
    deafness = Deafness()
    for at in range(100):
        deafness.heard(speech(3 * at, 1))
        assert not deafness.raised(0)
    assert not deafness.relieved()


def test_speech_that_waits_to_be_recognized_does_not_count() -> None:
    deafness = Deafness()
    for at in range(40):
        deafness.heard(speech(at, 1))
    assert not deafness.raised(waiting=11 * SAMPLE_RATE)
    assert deafness.raised(waiting=10 * SAMPLE_RATE)


@pytest.mark.parametrize(("deaf", "priority", "alarms"), [(True, "live", 1), (False, "live", 0), (True, "upload", 0)])
async def test_the_alarm_is_counted_logged_and_told(
    deaf: bool, priority: Priority, alarms: int, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"deaf": deaf, "word_seconds": 5, "step_seconds": 0.05}  # the audio comes faster than its words
    values = {"vad": {"name": "none"}, "decoders": {"pcm": {}}, "backend": {"name": "scripted", "options": options}}
    plugins = load_plugins()
    async with running_core(make_config({"warmup": False, **values}, plugins), plugins) as core:
        registry = core.metrics.registry
        with caplog.at_level(logging.WARNING, "wlkd"):
            async with core.admission.open(PCM, transport="test", peer="here", priority=priority) as session:
                await session.feed(b"\1\0" * (32 * SAMPLE_RATE))
                await session.flush()
                update = await anext(session.updates())
                assert update.deaf == bool(alarms)
                assert registry.get_sample_value("wlkd_sessions_deaf") == alarms
        assert registry.get_sample_value("wlkd_sessions_deaf") == 0
        assert registry.get_sample_value("wlkd_deaf_alarms_total") == alarms
        assert ("no word was committed" in caplog.text) == bool(alarms)
