"""Real speech through the real model, by the real client."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import openai
import pytest
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
async def test_a_file_comes_back_as_its_words(serving, models_dir: Path, speech_dir: Path, reference: str):
    values = {"models_dir": str(models_dir), "backend": {"name": "simulstreaming"}, "vad": {"name": "silero"}}
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
    assert answer.language == "en"
    assert wer(reference, answer.text) <= 0.2, answer.text
    assert answer.duration == pytest.approx(9.635, abs=0.05)
    assert 0 <= answer.words[0].start < answer.words[-1].end <= answer.duration + 0.5
    assert answer.segments[0].avg_logprob < 0
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert wer(reference, events[-1].text) <= 0.2, events[-1].text
