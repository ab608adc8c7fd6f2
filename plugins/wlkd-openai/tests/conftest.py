"""A daemon that speaks the script, and files for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.scripted import spoken
from tests.wav import wav
from wlkd.testing import RunningDaemon, running_daemon


def quiet(seconds: float, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """Silence in a file; the scripted backend hears a word in each half second of it."""
    return wav(bytes(2 * channels * round(seconds * rate)), rate=rate, channels=channels)


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
    return quiet


@pytest.fixture
def says() -> Callable[[float], str]:
    return spoken
