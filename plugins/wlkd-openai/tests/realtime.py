"""Clients of the realtime API: the `openai` package, and a bare WebSocket for what that package cannot send."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai

MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
SECOND = {"audio/pcm": bytes(48_000), "audio/pcmu": b"\xff" * 8_000, "audio/pcma": b"\xd5" * 8_000}
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@asynccontextmanager
async def connected(daemon, key="unused", **options):
    api = openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key=key, max_retries=0)
    async with api, api.realtime.connect(extra_query={"intent": "transcription"}, **options) as connection:
        created = await receive(connection, "session.created")
        assert created[-1].session.type == "transcription"
        yield connection


async def receive(connection, last: str) -> list[Any]:
    """Events up to the first of the type `last`."""
    events = []
    async with asyncio.timeout(15):
        while not events or events[-1].type != last:
            events.append(await connection.recv())
    return events


async def append(connection, audio: bytes, piece: int = 10_000) -> None:
    for offset in range(0, len(audio), piece):
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio[offset : offset + piece]).decode())


def transcript(events) -> str:
    """Of the item that the last event completes; its deltas must say the same."""
    completed = events[-1]
    deltas = [event.delta for event in events if event.type == DELTA and event.item_id == completed.item_id]
    assert "".join(deltas) == completed.transcript
    return completed.transcript


@asynccontextmanager
async def raw(daemon, **options):
    """A WebSocket without the package."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/v1/realtime?intent=transcription", **options) as socket,
    ):
        yield socket
