"""What sessions behind `/asr` say in several tests, and how its clients read the end."""

from __future__ import annotations

import aiohttp
from aiohttp import WSMsgType

from wlkd import Line, Update, Word

HELLO = Update(
    lines=(Line(0, 24_000, (Word(" Hello", 3_200, 16_000, 0.9126),), "en"),),
    committed=(Word(" Hello", 3_200, 16_000, 0.9126),),
    tentative=(Word(" wor", 16_000, 20_000),),
    language="en",
    speech_start=3_200,
    received=32_000,
    lag=9_600,
)


async def closing(socket: aiohttp.ClientWebSocketResponse) -> tuple[dict, int | None, str]:
    """The error message, the close code and its reason."""
    error = await socket.receive_json(timeout=30)
    assert error["type"] == "error"
    end = await socket.receive(timeout=30)
    assert end.type is WSMsgType.CLOSE
    return error, end.data, end.extra
