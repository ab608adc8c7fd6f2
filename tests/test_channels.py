"""Stereo calls: who speaks on the left, and who on the right, told apart by every transport that can say it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from wlkd.contract.errors import SessionError
from wlkd.contract.mixing import Mono
from wlkd.testing import RunningDaemon, running_daemon

CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"


@pytest.fixture
def call(speech_dir: Path) -> np.ndarray[Any, Any]:
    """Six seconds, 16-bit stereo: somebody speaks on the left, then somebody on the right."""
    spoken = soundfile.read(speech_dir / CLIP, dtype="int16")[0][:48_000]
    silence = np.zeros_like(spoken)
    return np.stack([np.concatenate([spoken, silence]), np.concatenate([silence, spoken])], axis=1)


@asynccontextmanager
async def serving(vad: str = "silero") -> AsyncIterator[RunningDaemon]:
    transports: dict[str, Any] = {"deepgram": {}, "openai": {}, "websocket": {}}
    async with running_daemon({"vad": {"name": vad}, "transports": transports}) as daemon:
        yield daemon


def wav(samples: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV")
    return buffer.getvalue()


def deepgram(daemon: RunningDaemon) -> AsyncDeepgramClient:
    here = DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)
    return AsyncDeepgramClient(api_key="unused", environment=here)


async def test_deepgram_live(call: np.ndarray[Any, Any]) -> None:
    listening = {"encoding": "linear16", "sample_rate": 16_000, "channels": 2, "multichannel": "true"}
    async with serving() as daemon, deepgram(daemon).listen.v1.connect(model="nova-3", **listening) as socket:
        for piece in np.array_split(call, 24):
            await socket.send_media(piece.tobytes())
        await socket.send_close_stream()
        async with asyncio.timeout(20):
            messages = [message async for message in socket]
    said: dict[tuple[int, ...], list[float]] = {}
    for message in messages:
        if message.type == "Results" and message.is_final:
            starts = [word.start for word in message.channel.alternatives[0].words]
            said.setdefault(tuple(map(int, message.channel_index)), []).extend(starts)
    assert set(said) == {(0, 2), (1, 2)}
    assert said[0, 2] and said[1, 2]
    assert max(said[0, 2]) < 3.2 and min(said[1, 2]) > 2.5
    assert (messages[-1].type, messages[-1].channels) == ("Metadata", 2)


async def test_deepgram_recorded(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon:
        listening = deepgram(daemon).listen.v1.media
        answer = await listening.transcribe_file(
            request=wav(call), multichannel=True, utterances=True, smart_format=True
        )
        mono = await listening.transcribe_file(request=wav(call[:, 0]), multichannel=True)
    left, right = answer.results.channels
    assert left.alternatives[0].words[0].start < 1 and right.alternatives[0].words[0].start > 2.5
    assert {one.channel for one in answer.results.utterances} == {0, 1}
    [paragraph] = left.alternatives[0].paragraphs.paragraphs
    assert paragraph.num_words == len(left.alternatives[0].words)
    assert " ".join(one.text for one in paragraph.sentences) == left.alternatives[0].transcript
    assert answer.metadata.channels == 2
    assert (len(mono.results.channels), mono.metadata.channels) == (1, 1)


async def test_the_websocket_tells_channels_as_speakers(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        query = "format=pcm&channels=2&multichannel=1&words=1"
        async with http.ws_connect(f"{daemon.ws}/asr?{query}") as socket:
            assert (await socket.receive_json(timeout=5))["diarization"] is True
            await socket.send_bytes(call.tobytes())
            await socket.send_bytes(b"")
            last: dict[str, Any] = {}
            while (message := json.loads(await socket.receive_str(timeout=10)))["type"] != "ready_to_stop":
                last = message
        async with http.ws_connect(f"{daemon.ws}/asr?{query}&resume=1") as socket:
            assert "cannot resume" in (await socket.receive_json(timeout=5))["message"]
    # Lines come as words are committed: where both channels are heard at once, their lines may alternate.
    left, right = ([line for line in last["lines"] if line["speaker"] == speaker] for speaker in (1, 2))
    assert left and right and len(left) + len(right) == len(last["lines"])
    assert left[-1]["end_seconds"] < 3.8 and right[0]["start_seconds"] > 2.5


async def test_openai_tells_channels_as_speakers(call: np.ndarray[Any, Any]) -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        form = aiohttp.FormData({"multichannel": "true", "response_format": "diarized_json"})
        form.add_field("file", wav(call), filename="call.wav")
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
            fields = await answer.json()
            assert answer.status == 200, fields
    assert [segment["speaker"] for segment in fields["segments"]] == ["A", "B"]


async def test_a_recording_has_as_many_channels_as_it_has() -> None:
    async def said(recording: np.ndarray[Any, Any], **more: str) -> tuple[set[str], list[str]]:
        form = aiohttp.FormData({"multichannel": "true", "response_format": "diarized_json", **more})
        form.add_field("file", wav(recording), filename="call.wav")
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer:
            fields = await answer.json()
            assert answer.status == 200, fields
        assert fields["duration"] == len(recording) / 16_000
        return {one["speaker"] for one in fields["segments"]}, [one["message"] for one in fields.get("notes", ())]

    three = np.zeros((32_000, 3), np.int16)
    async with serving("none") as daemon, aiohttp.ClientSession() as http:
        assert await said(three[:, 0]) == ({"A"}, [])
        assert await said(three) == ({"A", "B"}, ["the first 2 of 3 channels are heard; channels=3 has all of them"])
        assert await said(three, channels="3") == ({"A", "B", "C"}, [])
        answer = await deepgram(daemon).listen.v1.media.transcribe_file(request=wav(three), multichannel=True)
    assert [note["message"] for note in answer.metadata.model_dump()["notes"]] == [
        "the first 2 of 3 channels are heard; channels=3 has all of them"
    ]


def test_one_channel_of_many_is_heard_alone() -> None:
    samples = np.stack([np.full(4000, 0.5), np.full(4000, -0.25)], axis=1).astype(np.float32)
    assert set(Mono(2, only=1).mix(samples)) == {np.float32(-0.25)}
    assert Mono(2, only=1).take_notes() == []
    with pytest.raises(SessionError, match="there is no channel 2: the audio has 2"):
        Mono(2, only=2)
