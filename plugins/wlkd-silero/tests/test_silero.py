"""The real network: real speech, noise, joins with silence, and what it costs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from wlkd_silero.vad import Silero, SileroOptions

from wlkd import SAMPLE_RATE, Context, Frame, Pause, ProvisionError, Samples, SpeechEvent
from wlkd.testing import check_vad, speech_like


def context() -> Context:
    return Context(models_dir=Path("models"), metrics=CollectorRegistry(), status=lambda text: None)


@pytest.fixture
async def vad() -> AsyncIterator[Silero]:
    silero = Silero(SileroOptions())
    await silero.provision(context())
    yield silero
    await silero.close()
    await silero.close()


@dataclass(frozen=True)
class Clip:
    """A real recording."""

    id: str
    samples: Samples
    word_ends: list[float]
    """Seconds; empty where they are not known."""


def clips(speech_dir: Path, name: str, limit: int | None = None) -> list[Clip]:
    lines = (speech_dir / "manifest.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["set"] == name][:limit]
    return [
        Clip(
            entry["id"],
            soundfile.read(speech_dir / entry["path"], dtype="float32", always_2d=True)[0].mean(axis=1),
            entry.get("word_ends", []),
        )
        for entry in entries
    ]


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


async def test_no_word_is_lost(vad: Silero, speech_dir: Path) -> None:
    for clip in clips(speech_dir, "en_librispeech_test_clean", 25):
        mask = heard(listen(vad, clip.samples), len(clip.samples))
        inside = [min(int((end - 0.1) * SAMPLE_RATE), len(mask) - 1) for end in clip.word_ends]
        assert mask[inside].all(), clip.id


async def test_noise_and_music_are_mostly_silence(vad: Silero, speech_dir: Path) -> None:
    masks = [heard(listen(vad, clip.samples), len(clip.samples)) for clip in clips(speech_dir, "nospeech")]
    assert np.concatenate(masks).mean() < 0.2


async def test_inserted_silence_is_a_pause(vad: Silero, speech_dir: Path) -> None:
    first, second, third = (clip.samples for clip in clips(speech_dir, "en_librispeech_test_clean", 3))
    gap = np.zeros(2 * SAMPLE_RATE, np.float32)
    joins = [len(first), len(first) + len(gap) + len(second)]
    events = listen(vad, np.concatenate([first, gap, second, gap, third]))
    pauses = [event.at for event in events if isinstance(event, Pause)]
    frames = [event for event in events if isinstance(event, Frame)]
    for join in joins:
        # The clip's own silence at its end counts too.
        assert any(join - SAMPLE_RATE // 2 < at < join + SAMPLE_RATE // 2 for at in pauses), (join, pauses)
        assert not any(frame.start < join + SAMPLE_RATE < frame.end for frame in frames)


async def test_real_speech_keeps_the_contract(vad: Silero, speech_dir: Path) -> None:
    for clip in clips(speech_dir, "en_librispeech_test_clean", 3):
        check_vad(vad.open, clip.samples)


async def test_made_up_audio_keeps_the_contract(vad: Silero) -> None:
    check_vad(vad.open, speech_like(5))


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
