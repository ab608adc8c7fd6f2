"""The time to the final segment, of recordings that a test makes up, and of a real daemon."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("whisper_normalizer")

import soundfile
from wlkd_bench.clips import Clip
from wlkd_bench.final_segment import measure, seconds_to_final, table
from wlkd_bench.stream import Event, Recording

from wlkd.testing import running_daemon

CLIP = Clip("mine", "a", Path("a.wav"), 2.0, "en", "one two", (0.5, 1.0))


def recording(*events: tuple[float, str], audio_end: float | None = 4.0) -> Recording:
    return Recording(CLIP, 0.0, events=[Event(at, text, "", 0.0) for at, text in events], audio_end=audio_end)


def test_the_time_runs_from_the_last_word_to_the_whole_text() -> None:
    assert seconds_to_final(recording((1.2, " one"), (1.7, " one two"), (2.5, " one two"))) == pytest.approx(0.7)
    assert seconds_to_final(recording((1.2, " one"), (4.1, " one two"))) is None, "it needed the end of the audio"
    assert seconds_to_final(recording((1.2, ""))) is None
    assert seconds_to_final(recording()) is None
    told = table([0.2, 0.4, 0.6], 4)
    assert "0.40 s" in told and "3 clips, 1 late" in told


async def test_words_that_only_the_end_of_the_audio_brings_are_late(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 16_000)
    row = {"set": "mine", "id": "a", "path": "a.wav", "seconds": 0.5, "language": "en", "text": "one"}
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(row | {"word_ends": [0.5]}))
    wanted = argparse.Namespace(manifest=manifest, sets=[], limit=None, half="both", streams=1, silence=0.1)
    # Without a VAD nobody ever pauses.
    async with running_daemon({"vad": {"name": "none"}, "transports": {"websocket": {}}}) as daemon:
        wanted.url = f"{daemon.ws}/asr"
        with pytest.raises(SystemExit, match="no clip had its final segment in time"):
            await measure(wanted)
