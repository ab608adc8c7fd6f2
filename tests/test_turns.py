"""A turn detector is asked at each pause of a live session, and its answer reaches the transports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.of_turns import Silent
from wlkd import StreamOffer, Update
from wlkd.config import make_config
from wlkd.daemon.pipeline import running_core
from wlkd.plugins import load_plugins
from wlkd.transports.turns import UNSURE_SECONDS, patience

CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"
PCM = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)


@pytest.fixture
def plugin(plug_in: Callable[[str], None]) -> None:
    plug_in("of_turns")


@pytest.mark.parametrize("priority", ["live", "upload"])
async def test_a_pause_of_live_speech_is_judged(plugin: None, speech_dir: Path, priority: Any) -> None:
    updates = await heard("ears", speech_dir, priority)
    judged = {update.turn_over for update in updates if update.turn_over is not None}
    assert judged == ({1.0} if priority == "live" else set())
    assert all(update.turn_over is None for update in updates if update.speech_end is None)


@pytest.mark.parametrize(
    ("name", "told"),
    [("broken", "the turn detector failed"), ("silent", "no word of the turn detector in 2 s")],
)
async def test_a_detector_that_fails_costs_no_words(
    plugin: None,
    speech_dir: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    told: str,
) -> None:
    monkeypatch.setattr("wlkd.sessions.session.JUDGING_SECONDS", 2.0)
    Silent.gate.clear()
    try:
        sound, failing = await heard("ears", speech_dir, "live"), await heard(name, speech_dir, "live")
    finally:
        Silent.gate.set()
    assert failing[-1].final and failing[-1].text == sound[-1].text
    assert {update.turn_over for update in failing} == {None}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        f"session 1: {told}; no more pauses are judged"
    ]


async def heard(detector: str, speech_dir: Path, priority: Any) -> list[Update]:
    """What a session says of two pauses."""
    spoken = soundfile.read(speech_dir / CLIP, dtype="int16")[0][:32_000]
    quiet = np.zeros(24_000, np.int16)
    audio = np.concatenate([spoken, quiet, spoken, quiet])
    plugins = load_plugins()
    values = {
        "decoders": {"pcm": {}},
        "vad": {"name": "silero"},
        "backend": {"name": "scripted"},
        "turn_detector": {"name": detector},
        "warmup": False,
    }
    async with (
        running_core(make_config(values, plugins), plugins) as core,
        core.admission.open(PCM, transport="test", peer="here", priority=priority) as session,
    ):
        assert session.info.turns is (priority == "live")
        for piece in np.array_split(audio, 28):
            await session.feed(piece.tobytes())
        await session.finish()
        return [update async for update in session.updates()]


def test_how_long_silence_has_to_be() -> None:
    assert patience(0.1, Update(), judged=False) == 0.1
    assert patience(0.1, Update(), judged=True) == UNSURE_SECONDS, "not judged yet"
    assert patience(0.1, Update(turn_over=0.2), judged=True) == UNSURE_SECONDS
    assert patience(0.1, Update(turn_over=0.8), judged=True) == 0.1
    assert patience(5.0, Update(turn_over=0.2), judged=True) == 5.0
