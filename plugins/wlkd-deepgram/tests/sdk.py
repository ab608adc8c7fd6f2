"""A daemon that speaks Deepgram's API, and the `deepgram-sdk` package as its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

from tests.wav import wav
from wlkd.testing import RunningDaemon, running_daemon

LINEAR = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000}


@asynccontextmanager
async def serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
    values = {"vad": {"name": "none"}, "transports": {"deepgram": options}, **(values or {})}
    async with running_daemon(values) as daemon:
        yield daemon


def environment(daemon: RunningDaemon) -> DeepgramClientEnvironment:
    return DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)


def client(daemon: RunningDaemon, key: str = "unused") -> AsyncDeepgramClient:
    return AsyncDeepgramClient(api_key=key, environment=environment(daemon))


async def hear(socket) -> list[Any]:
    """Every message until the server closes."""
    async with asyncio.timeout(20):
        return [message async for message in socket]


def finals(messages) -> str:
    """What an application shows: the transcripts of all final results."""
    said = [
        message.channel.alternatives[0].transcript
        for message in messages
        if message.type == "Results" and message.is_final
    ]
    return " ".join(transcript for transcript in said if transcript)


def quiet(seconds: float, rate: int = 16_000) -> bytes:
    """In a file."""
    return wav(bytes(2 * round(seconds * rate)), rate=rate)
