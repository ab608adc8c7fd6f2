"""A daemon that speaks the script, and files for it."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from wlkd.testing import RunningDaemon, running_daemon

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def wav(seconds: float, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """Silence in a file; the scripted backend hears a word in each half second of it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * round(seconds * rate)))
    return buffer.getvalue()


def spoken(seconds: float) -> str:
    """What the scripted backend makes of that much audio."""
    return " ".join(WORDS[i % 10] for i in range(round(seconds * 2)))


Serving = Callable[..., AbstractAsyncContextManager[RunningDaemon]]


@asynccontextmanager
async def _serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
    async with running_daemon({"vad": {"name": "none"}, "transports": {"openai": options}, **(values or {})}) as daemon:
        yield daemon


@pytest.fixture
def serving() -> Serving:
    """`async with serving(values, **options of the transport) as daemon:`"""
    return _serving


@pytest.fixture
def make_wav() -> Callable[..., bytes]:
    return wav


@pytest.fixture
def says() -> Callable[[float], str]:
    return spoken
