"""Real speech through the real model, by the real client, at the pace of speech."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import soxr
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from whisper_normalizer.english import EnglishTextNormalizer

from wlkd.testing import running_daemon

CLIP = "en_librispeech_test_clean/1089-134686-0015.flac"
PIECE_SECONDS = 0.25


def mulaw(samples: np.ndarray) -> bytes:
    """G.711 by its formula; 8 bits a sample, all of them inverted."""
    magnitude = np.minimum(np.abs(samples) * 32_768 + 132, 32_635).astype(np.int32)
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = np.where(samples < 0, 0x80, 0) | segment << 4 | magnitude >> segment + 3 & 15
    return (~code & 0xFF).astype(np.uint8).tobytes()


def linear16(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


@pytest.mark.model
async def test_telephones_and_studios(whisper: dict[str, Any], speech_dir: Path):
    """At the machine's speed: as fast as the socket takes it."""
    audio, clip_rate = soundfile.read(speech_dir / CLIP, dtype="float32")
    manifest = map(json.loads, (speech_dir / "manifest.jsonl").open(encoding="utf-8"))
    reference = next(clip["text"] for clip in manifest if clip["path"] == CLIP)
    values = {
        **whisper,
        "vad": {"name": "silero"},
        "transports": {"deepgram": {}},
    }
    normalize = EnglishTextNormalizer()
    async with running_daemon(values) as daemon:
        at = DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)
        listen = AsyncDeepgramClient(api_key="unused", environment=at).listen.v1
        for encoding, rate, encode in [("mulaw", 8_000, mulaw), ("linear16", 48_000, linear16)]:
            raw = encode(soxr.resample(audio, clip_rate, rate))
            async with (
                listen.connect(model="nova-3", language="en", encoding=encoding, sample_rate=rate) as socket,
                asyncio.timeout(120),
            ):
                for offset in range(0, len(raw), 8_000):
                    await socket.send_media(raw[offset : offset + 8_000])
                await socket.send_close_stream()
                results = [message async for message in socket if message.type == "Results" and message.is_final]
            text = " ".join(message.channel.alternatives[0].transcript for message in results)
            assert jiwer.wer(normalize(reference), normalize(text)) <= 0.25, (encoding, text)


@pytest.mark.model
async def test_a_speaker_with_a_pause(whisper: dict[str, Any], speech_dir: Path):
    rate = 44_100
    audio, clip_rate = soundfile.read(speech_dir / CLIP, dtype="float32")
    manifest = map(json.loads, (speech_dir / "manifest.jsonl").open(encoding="utf-8"))
    reference = next(clip["text"] for clip in manifest if clip["path"] == CLIP)
    speech = soxr.resample(np.concatenate([audio, np.zeros(3 * clip_rate, np.float32)]), clip_rate, rate)
    raw = linear16(speech)
    values = {
        **whisper,
        "vad": {"name": "silero"},
        "transports": {"deepgram": {}},
    }
    async with running_daemon(values) as daemon:
        at = DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)
        async with AsyncDeepgramClient(api_key="unused", environment=at).listen.v1.connect(
            model="nova-3",
            language="en-US",
            encoding="linear16",
            sample_rate=rate,
            interim_results="true",
            vad_events="true",
            utterance_end_ms=1000,
        ) as socket:

            async def speak() -> None:
                piece = round(PIECE_SECONDS * rate) * 2
                for offset in range(0, len(raw), piece):
                    await socket.send_media(raw[offset : offset + piece])
                    await asyncio.sleep(PIECE_SECONDS)
                await socket.send_close_stream()

            speaking = asyncio.create_task(speak())
            async with asyncio.timeout(120):
                messages = [message async for message in socket]
            await speaking
    kinds = [message.type for message in messages]
    results = [message for message in messages if message.type == "Results"]
    text = " ".join(message.channel.alternatives[0].transcript for message in results if message.is_final)
    normalize = EnglishTextNormalizer()
    assert jiwer.wer(normalize(reference), normalize(text)) <= 0.2, text
    assert kinds[0] == "SpeechStarted"
    assert kinds.count("UtteranceEnd") >= 1
    assert kinds[-1] == "Metadata"
    assert any(message.speech_final for message in results)
    assert any(not message.is_final for message in results)
    words = [word for message in results if message.is_final for word in message.channel.alternatives[0].words]
    assert all(0 < word.confidence <= 1 for word in words)
