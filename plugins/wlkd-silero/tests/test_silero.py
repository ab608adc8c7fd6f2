"""The real network: real speech, noise, joins with silence, and what it costs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from wlkd_silero.vad import Silero, SileroOptions

from wlkd import SAMPLE_RATE, Context, Frame, Pause, ProvisionError, Samples, SpeechEvent

SPEECH_DIR = Path(
    os.environ.get("WLKD_SPEECH_DIR", Path(__file__).resolve().parents[3].parent / "shared" / "speech")
)
needs_speech = pytest.mark.skipif(
    not (SPEECH_DIR / "manifest.jsonl").is_file(), reason=f"no speech in {SPEECH_DIR}; set WLKD_SPEECH_DIR"
)


def context() -> Context:
    return Context(models_dir=Path("models"), metrics=CollectorRegistry(), status=lambda text: None)


@pytest.fixture
async def vad() -> AsyncIterator[Silero]:
    silero = Silero(SileroOptions())
    await silero.provision(context())
    yield silero
    await silero.close()
    await silero.close()


def clips(name: str) -> list[dict[str, Any]]:
    lines = (SPEECH_DIR / "manifest.jsonl").read_text().splitlines()
    return [clip for clip in map(json.loads, lines) if clip["set"] == name]


def load(clip: dict[str, Any]) -> Samples:
    samples: Samples = soundfile.read(SPEECH_DIR / clip["path"], dtype="float32", always_2d=True)[0].mean(axis=1)
    return samples


def listen(vad: Silero, samples: Samples, piece: int = 1600) -> list[SpeechEvent]:
    stream = vad.open()
    events: list[SpeechEvent] = []
    for start in range(0, len(samples), piece):
        events.extend(stream.feed(Frame(start, samples[start : start + piece])))
    return events + stream.finish()


def heard(events: list[SpeechEvent], length: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which samples were passed on; asserts that none was twice."""
    mask = np.zeros(length, dtype=bool)
    for event in events:
        if isinstance(event, Frame):
            assert not mask[event.start : event.end].any()
            mask[event.start : event.end] = True
    return mask


@needs_speech
async def test_no_word_is_lost(vad: Silero) -> None:
    for clip in clips("en_librispeech_test_clean")[:25]:
        samples = load(clip)
        mask = heard(listen(vad, samples), len(samples))
        inside = [min(int((end - 0.1) * SAMPLE_RATE), len(samples) - 1) for end in clip["word_ends"]]
        assert mask[inside].all(), clip["id"]


@needs_speech
async def test_noise_and_music_are_mostly_silence(vad: Silero) -> None:
    passed = total = 0
    for clip in clips("nospeech"):
        samples = load(clip)
        passed += int(heard(listen(vad, samples), len(samples)).sum())
        total += len(samples)
    assert passed / total < 0.2


@needs_speech
async def test_inserted_silence_is_a_pause(vad: Silero) -> None:
    first, second, third = (load(clip) for clip in clips("en_librispeech_test_clean")[:3])
    gap = np.zeros(2 * SAMPLE_RATE, np.float32)
    events = listen(vad, np.concatenate([first, gap, second, gap, third]))
    pauses = [event.at for event in events if isinstance(event, Pause)]
    for join in (len(first), len(first) + len(gap) + len(second)):
        # The clip's own trailing silence counts, so the pause may come up to half a second before the join.
        assert any(join - SAMPLE_RATE // 2 < at < join + SAMPLE_RATE // 2 for at in pauses), (join, pauses)
    frames = [event for event in events if isinstance(event, Frame)]
    assert not any(f.start < join + SAMPLE_RATE < f.end for f in frames for join in (len(first),))


@needs_speech
async def test_pieces_of_any_size_tell_the_same(vad: Silero) -> None:
    samples = load(clips("en_librispeech_test_clean")[0])
    whole = listen(vad, samples, piece=len(samples))
    for piece in (37, 512, 4001):
        events = listen(vad, samples, piece)
        assert [e for e in events if isinstance(e, Pause)] == [e for e in whole if isinstance(e, Pause)]
        assert np.array_equal(heard(events, len(samples)), heard(whole, len(samples)))


async def test_a_frame_costs_a_fraction_of_its_length(vad: Silero) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32)
    listen(vad, samples[:SAMPLE_RATE])
    began = time.thread_time()
    listen(vad, samples, piece=512)
    # 32 ms of audio in a tenth of that on the slowest of machines; about 0.1 ms on a server's core.
    assert (time.thread_time() - began) / (len(samples) / 512) < 0.0032


async def test_streams_share_the_network_from_threads(vad: Silero) -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    samples[:8000] *= np.sin(np.arange(8000) / 40)
    expected = heard(listen(vad, samples), len(samples))
    results = await asyncio.gather(*(asyncio.to_thread(listen, vad, samples) for _ in range(16)))
    assert all(np.array_equal(heard(events, len(samples)), expected) for events in results)


async def test_digital_silence_and_dirt_say_nothing(vad: Silero) -> None:
    assert listen(vad, np.zeros(3 * SAMPLE_RATE, np.float32)) == []
    assert listen(vad, np.full(3 * SAMPLE_RATE, 0.3, np.float32)) == []


@pytest.mark.parametrize("content", [None, b"not a network"])
async def test_a_model_that_cannot_be_loaded_names_itself(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.onnx"
    if content is not None:
        path.write_bytes(content)
    silero = Silero(SileroOptions(model=path))
    with pytest.raises(ProvisionError, match=r"other\.onnx"):
        await silero.provision(context())
    await silero.close()


def test_a_stream_needs_provision() -> None:
    with pytest.raises(RuntimeError, match="provision"):
        Silero(SileroOptions()).open()


def test_options_out_of_bounds_are_refused() -> None:
    for wrong in ({"threshold": 1.5}, {"min_silence_ms": 0}, {"speech_pad_ms": -1}, {"treshold": 0.5}):
        with pytest.raises(ValidationError):
            SileroOptions(**wrong)  # type: ignore[arg-type]
