"""A whole core on the scripted backend, and a client of its sessions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from wlkd.config import make_config
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.host import Session
from wlkd.contract.types import StreamOffer, Update
from wlkd.daemon.pipeline import Core, running_core
from wlkd.plugins import load_plugins
from wlkd.sessions.admission import Admission
from wlkd.testing import speech_like

PCM = StreamOffer(encoding="s16le", sample_rate=16000, channels=1)
STEREO = StreamOffer(encoding="s16le", sample_rate=16000, channels=2)
HALF_SECOND = b"\x00\x20" * 8000
"""Of `PCM`: the scripted backend makes a word of it."""

SCRIPTED: Mapping[str, Any] = {
    "decoders": {"pcm": {}},
    "vad": {"name": "none"},
    "backend": {"name": "scripted"},
    "warmup": False,
}
"""A configuration without a model."""


@asynccontextmanager
async def core(values: Mapping[str, Any] = {}) -> AsyncIterator[Admission]:
    async with whole_core(values) as running:
        yield running.admission


@asynccontextmanager
async def whole_core(values: Mapping[str, Any] = {}) -> AsyncIterator[Core]:
    plugins = load_plugins()
    async with running_core(make_config({**SCRIPTED, **values}, plugins), plugins) as running:
        yield running


def pcm(seconds: float) -> bytes:
    return (speech_like(seconds) * 32767).astype("<i2").tobytes()


def opened(admission: Admission, **arguments: Any) -> Any:
    return admission.open(PCM, **{"transport": "test", "peer": "here", **arguments})


async def rest(session: Session) -> list[Update]:
    return [update async for update in session.updates()]


async def rest_before(code: Code, session: Session) -> list[Update]:
    """What comes before the error with `code`, with which `session` ends."""
    updates: list[Update] = []
    with pytest.raises(SessionError) as caught:
        async for update in session.updates():
            updates.append(update)
    assert caught.value.code is code
    return updates
