"""`/v2/listen` through the `deepgram-sdk` package, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v2.types import ListenV2Configure, ListenV2ConfigureThresholds
from websockets.exceptions import ConnectionClosedError

from wlkd.testing import RunningDaemon, running_daemon

CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"
LINEAR = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16_000}
QUIET = bytes(32_000)
"""A second."""


@asynccontextmanager
async def serving(vad: str = "silero", **values: Any) -> AsyncIterator[RunningDaemon]:
    async with running_daemon({"vad": {"name": vad}, "transports": {"deepgram": {}}, **values}) as daemon:
        yield daemon


def listening(daemon: RunningDaemon, **query: Any) -> Any:
    here = DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)
    return AsyncDeepgramClient(api_key="unused", environment=here).listen.v2.connect(**LINEAR, **query)


@pytest.fixture
def spoken(speech_dir: Path) -> bytes:
    """Two seconds in which somebody speaks."""
    samples: np.ndarray = soundfile.read(speech_dir / CLIP, dtype="int16")[0][:32_000]
    return samples.tobytes()


async def hear(socket: Any, until: str | None = None) -> list[Any]:
    """Every message until the server closes, or up to the event `until`."""
    messages = []
    async with asyncio.timeout(60):
        async for message in socket:
            messages.append(message)
            if until is not None and until in (getattr(message, "event", None), message.type):
                break
    return messages


def events(messages: list[Any]) -> list[str]:
    return [message.event for message in messages if message.type == "TurnInfo" and message.event != "Update"]


async def test_two_turns_and_the_end_of_the_audio(spoken: bytes) -> None:
    async with serving() as daemon, listening(daemon) as socket:
        for piece in (spoken, QUIET, QUIET, spoken):
            for start in range(0, len(piece), 2_560):
                await socket.send_media(piece[start : start + 2_560])
        await socket.send_close_stream()
        messages = await hear(socket)
    assert messages[0].type == "Connected"
    assert [message.sequence_id for message in messages] == list(range(len(messages)))
    assert {message.request_id for message in messages} == {messages[0].request_id}
    assert events(messages) == ["StartOfTurn", "EndOfTurn"] * 2
    first, second = (message for message in messages[1:] if message.event == "EndOfTurn")
    assert (first.turn_index, first.trigger) == (0, "model")
    assert (second.turn_index, second.trigger) == (1, "manual")
    assert first.transcript.startswith("one two") and second.transcript
    assert first.words[0].word == "one" and first.words[-1].end <= second.audio_window_start


async def test_silence_ends_a_turn_eagerly_and_the_client_agrees(spoken: bytes) -> None:
    patient = {"eager_eot_threshold": 0.9, "eot_threshold": 1.0, "eot_timeout_ms": 60_000}
    async with serving() as daemon, listening(daemon, **patient) as socket:
        # The VAD tells the pause; the rest of the silence is the clock's.
        await socket.send_media(spoken + QUIET[:20_000])
        messages = await hear(socket, until="EagerEndOfTurn")
        await socket.send_force_end_turn()
        messages += await hear(socket, until="EndOfTurn")
    assert events(messages) == ["StartOfTurn", "EagerEndOfTurn", "EndOfTurn"]
    assert messages[-1].transcript == messages[-2].transcript
    assert 0.9 <= messages[-2].end_of_turn_confidence <= messages[-1].end_of_turn_confidence


async def test_a_client_that_ends_its_turns_itself_changes_its_mind_about_thresholds() -> None:
    async with serving("none") as daemon, listening(daemon, eot_threshold=1.0, keyterm=["Quilter"]) as socket:
        await socket.send_media(QUIET + QUIET)
        await socket.send_force_end_turn()
        end = (await hear(socket, until="EndOfTurn"))[-1]
        assert (end.transcript, end.trigger) == ("one two three four", "manual")
        await socket.send_configure(ListenV2Configure(thresholds=ListenV2ConfigureThresholds(eot_timeout_ms=900)))
        done = (await hear(socket, until="ConfigureSuccess"))[-1]
        assert (done.thresholds.eot_threshold, done.thresholds.eot_timeout_ms) == (1.0, 900)
        assert done.keyterms == ["Quilter"]
        for wrong in (
            {"thresholds": {"eot_threshold": 7}},
            {"thresholds": {"eot_threshold": 10**400}},
            {"keyterms": ["Mason"]},
            {"thresholds": 1},
            {"numerals": "true"},
        ):
            await socket.send_configure({"type": "Configure", **wrong})
            refused = (await hear(socket, until="ConfigureFailure"))[-1]
            assert refused.description
        await socket.send_configure({"type": "KeepAlive"})
        assert "'KeepAlive' is not known" in (await hear(socket, until="Warning"))[-1].description
        await socket.send_close_stream()
        assert [message.type for message in await hear(socket)] == []


async def test_numerals_are_digits_though_the_filter_may_write_words() -> None:
    filters = {"numbers": {"active": False, "form": "words"}}
    async with serving("none", filters=filters) as daemon, listening(daemon) as socket:
        await socket.send_configure({"type": "Configure", "numerals": True})
        await hear(socket, until="ConfigureSuccess")
        await socket.send_media(QUIET + QUIET)
        await socket.send_close_stream()
        assert (await hear(socket))[-1].transcript == "1234"


async def test_a_step_that_fails_leaves_the_words_before_it() -> None:
    backend = {"name": "scripted", "options": {"fail_on": " four"}}
    messages: list[Any] = []
    async with (
        serving("none", backend=backend, worker={"max_chunk_seconds": 0.5}) as daemon,
        listening(daemon) as socket,
        asyncio.timeout(60),
    ):
        for _ in range(4):
            await socket.send_media(QUIET)
        with pytest.raises(ConnectionClosedError, match="NET-0000"):
            async for message in socket:
                messages.append(message)
    assert messages[-1].type == "Error" and messages[-1].sequence_id == len(messages) - 1
    assert messages[-1].code and messages[-1].description


async def test_a_threshold_that_makes_no_sense_is_refused_before_the_upgrade() -> None:
    async with serving("none") as daemon:
        with pytest.raises(ApiError) as refusal:
            async with listening(daemon, eot_threshold=0.2):
                pass
    assert refusal.value.status_code == 400
