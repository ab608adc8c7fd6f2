"""Real speech through the real model, by the real client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from whisper_normalizer.english import EnglishTextNormalizer
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from wlkd.testing import free_port, running_daemon

CLIP = "en_librispeech_test_clean/1089-134686-0015.flac"


@pytest.mark.model
async def test_a_sentence(whisper: dict[str, Any], speech_dir: Path):
    audio, rate = soundfile.read(speech_dir / CLIP, dtype="int16")
    manifest = map(json.loads, (speech_dir / "manifest.jsonl").open(encoding="utf-8"))
    reference = next(clip["text"] for clip in manifest if clip["path"] == CLIP)
    raw = audio.astype(np.dtype("<i2")).tobytes()
    port = free_port()
    values = {
        **whisper,
        "vad": {"name": "silero"},
        "transports": {"wyoming": {"host": "127.0.0.1", "port": port}},
    }
    async with running_daemon(values), AsyncTcpClient("127.0.0.1", port, read_timeout=120) as wyoming:
        await wyoming.write_event(AudioStart(rate, 2, 1).event())
        for offset in range(0, len(raw), 4096):
            await wyoming.write_event(AudioChunk(rate, 2, 1, raw[offset : offset + 4096]).event())
        await wyoming.write_event(AudioStop().event())
        while not Transcript.is_type((event := await wyoming.read_event()).type):
            pass
    heard = Transcript.from_event(event)
    normalize = EnglishTextNormalizer()
    assert jiwer.wer(normalize(reference), normalize(heard.text)) <= 0.2, heard.text
    assert heard.language == "en"
