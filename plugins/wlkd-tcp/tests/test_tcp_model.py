"""Real speech through the real model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from whisper_normalizer.english import EnglishTextNormalizer

from wlkd.testing import free_port, running_daemon

CLIP = "en_librispeech_test_clean/1089-134686-0015.flac"


@pytest.mark.model
async def test_real_speech_comes_back_as_its_words(whisper: dict[str, Any], speech_dir: Path):
    audio, rate = soundfile.read(speech_dir / CLIP, dtype="int16")
    assert rate == 16_000
    manifest = map(json.loads, (speech_dir / "manifest.jsonl").open(encoding="utf-8"))
    reference = next(clip["text"] for clip in manifest if clip["path"] == CLIP)
    port = free_port()
    values = {
        **whisper,
        "transports": {"tcp": {"host": "127.0.0.1", "port": port, "language": "en"}},
    }
    async with running_daemon(values):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(audio.astype(np.dtype("<i2")).tobytes())
        writer.write_eof()
        async with asyncio.timeout(120):
            messages = [json.loads(line) async for line in reader]
        writer.close()
    text = "".join(message["text"] for message in messages)
    normalize = EnglishTextNormalizer()
    assert jiwer.wer(normalize(reference), normalize(text)) <= 0.2, text
    assert messages[-1]["is_final"]
    ends = [word["end"] for message in messages for word in message["words"]]
    assert ends == sorted(ends)
    assert 0 < ends[-1] <= len(audio) / rate + 0.5
