"""A core with three engines: the default one finds the language, one knows English, one Korean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.whole_core import opened
from wlkd.config import make_config
from wlkd.config.options import Config
from wlkd.contract.types import Update
from wlkd.daemon.pipeline import Core, running_core
from wlkd.plugins import load_plugins

HALF_SECOND = b"\x00\x20" * 8000


def scripted(prefix: str, **options: Any) -> dict[str, Any]:
    """Says `a1 a2 a3 …`."""
    words = [f" {prefix}{number}" for number in range(1, 9)]
    return {"name": "scripted", "options": {"script": words, **options}}


BASE: dict[str, Any] = {
    "warmup": False,
    "vad": {"name": "none"},
    "decoders": {"pcm": {}},
    "worker": {"min_chunk_seconds": 0.2},
    "backend": scripted("d", languages=["en", "de", "fr"], detects="en", detects_after_seconds=1.0),
    "engines": {
        "english": scripted("e", languages=["en"]),
        "korean": scripted("k", languages=["ko"], tasks=["transcribe"]),
    },
    "routing": {"en": "english", "ko": "korean"},
}


def configuration(changes: Mapping[str, Any] = {}) -> Config:
    return make_config({**BASE, **changes}, load_plugins())


@asynccontextmanager
async def core(changes: Mapping[str, Any] = {}) -> AsyncIterator[Core]:
    async with running_core(configuration(changes), load_plugins()) as running:
        yield running


async def updates(core: Core, half_seconds: int = 4, **query: str) -> list[Update]:
    """What a session says to so much speech, half a second a word."""
    async with opened(core.admission, query=query) as session:
        for _ in range(half_seconds):
            await session.feed(HALF_SECOND)
        await session.finish()
        return [update async for update in session.updates()]


async def text(core: Core, half_seconds: int = 4, **query: str) -> str:
    return (await updates(core, half_seconds, **query))[-1].text
