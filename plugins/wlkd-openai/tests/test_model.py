"""Real speech through the real model, by the real client."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import openai
import pytest
import soundfile
import soxr
from whisper_normalizer.english import EnglishTextNormalizer

CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"


@pytest.fixture
def reference(speech_dir: Path) -> str:
    manifest = map(json.loads, (speech_dir / "manifest.jsonl").open(encoding="utf-8"))
    return next(clip["text"] for clip in manifest if clip["path"] == CLIP)


def wer(reference: str, text: str) -> float:
    normalize = EnglishTextNormalizer()
    return jiwer.wer(normalize(reference), normalize(text))


@pytest.mark.model
async def test_a_file_comes_back_as_its_words(serving, whisper: dict[str, Any], speech_dir: Path, reference: str):
    values = {**whisper, "vad": {"name": "silero"}}
    async with (
        serving(values) as daemon,
        openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key="unused", max_retries=0) as api,
    ):
        answer = await api.audio.transcriptions.create(
            model="whisper-1",
            file=speech_dir / CLIP,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        stream = await api.audio.transcriptions.create(model="whisper-1", file=speech_dir / CLIP, stream=True)
        events = [event async for event in stream]
    assert (answer.language, answer.model_extra["language_code"]) == ("english", "en")
    assert wer(reference, answer.text) <= 0.2, answer.text
    assert answer.duration == pytest.approx(9.635, abs=0.05)
    assert 0 <= answer.words[0].start < answer.words[-1].end <= answer.duration + 0.5
    assert answer.segments[0].avg_logprob < 0
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert wer(reference, events[-1].text) <= 0.2, events[-1].text


@pytest.mark.model
async def test_two_turns_at_the_pace_of_speech(serving, whisper: dict[str, Any], speech_dir: Path, reference: str):
    """The daemon's VAD finds the turns."""
    rate = 24_000
    audio, clip_rate = soundfile.read(speech_dir / CLIP, dtype="float32")
    pause = np.zeros(2 * clip_rate, np.float32)
    speech = soxr.resample(np.concatenate([audio, pause, audio, pause]), clip_rate, rate)
    raw = (np.clip(speech, -1, 1) * 32_767).astype("<i2").tobytes()
    values = {**whisper, "vad": {"name": "silero"}}
    async with (
        serving(values) as daemon,
        openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key="unused", max_retries=0) as api,
        api.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        transcription = {"model": "gpt-4o-transcribe", "language": "en"}
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"transcription": transcription}}}
        )

        async def speak() -> None:
            piece = rate // 4 * 2
            for offset in range(0, len(raw), piece):
                await connection.input_audio_buffer.append(
                    audio=base64.b64encode(raw[offset : offset + piece]).decode()
                )
                await asyncio.sleep(0.25)
            await connection.input_audio_buffer.commit()

        speaking = asyncio.create_task(speak())
        events = []
        spoken: list[str] = []
        async with asyncio.timeout(150):
            while len(" ".join(spoken).split()) < 1.8 * len(reference.split()):
                events.append(await connection.recv())
                if events[-1].type == "conversation.item.input_audio_transcription.completed":
                    spoken.append(events[-1].transcript)
        await speaking
    assert wer(f"{reference} {reference}", " ".join(spoken)) <= 0.2, spoken
    kinds = [event.type for event in events]
    assert kinds.count("input_audio_buffer.speech_started") == kinds.count("input_audio_buffer.speech_stopped")
    assert kinds.count("input_audio_buffer.committed") == len(spoken) >= 2
    items: dict[str, str] = {}
    for event in events:
        if event.type == "conversation.item.input_audio_transcription.delta":
            items[event.item_id] = items.get(event.item_id, "") + event.delta
    assert list(items.values()) == [text for text in spoken if text]
