"""A made-up `/asr` server that says given words after given amounts of audio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import WSMsgType, web

BYTES_PER_SECOND = 32_000


@dataclass
class FakeAsr:
    """What the server says, and what it heard."""

    pcm: bool = True
    script: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds of audio received, committed text from then on, tentative tail)."""
    rest: str = ""
    """Committed text sent once the audio has ended."""
    config: dict[str, object] | None = None
    """Sent instead of the usual first message."""
    status: int | None = None
    """Answer with this HTTP status."""
    fail_after: float | None = None
    """Send an error and close after so many seconds of audio."""
    error: tuple[str, int] = ("undecodable_audio", 1011)
    """That error, and the code to close with."""
    silent_end: bool = False
    """Never say `ready_to_stop`."""
    close_at_end: int | None = None
    """Close with this code instead of it."""
    url: str = ""
    heard: list[bytes] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    ended: int = 0
    told_the_end: asyncio.Event = field(default_factory=asyncio.Event)
    open: int = 0
    most_open: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if self.status is not None:
            return web.Response(status=self.status, headers={"Retry-After": "7"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._converse(socket)
        finally:
            self.open -= 1
        return socket

    async def _converse(self, socket: web.WebSocketResponse) -> None:
        await socket.send_json(self.config or {"type": "config", "useAudioWorklet": self.pcm})
        script, heard = list(self.script), 0
        committed = ""
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            if not message.data:
                self.ended += 1
                self.told_the_end.set()
                if self.rest:
                    await socket.send_json(update(self.rest))
                if self.close_at_end is not None:
                    await socket.close(code=self.close_at_end)
                elif not self.silent_end:
                    await socket.send_json({"type": "ready_to_stop"})
                continue
            self.heard.append(message.data)
            heard += len(message.data)
            if self.fail_after is not None and heard >= self.fail_after * BYTES_PER_SECOND:
                code, closing = self.error
                await socket.send_json({"type": "error", "code": code, "message": "what was that?"})
                await socket.close(code=closing)
                return
            while script and heard >= script[0][0] * BYTES_PER_SECOND:
                _, committed, tail = script.pop(0)
                await socket.send_json(update(committed, tail))


def update(committed: str, tail: str = "") -> dict[str, object]:
    lines = [{"speaker": 1, "text": committed, "start": "0:00:00", "end": "0:00:01"}] if committed else []
    return {
        "type": "transcript_update",
        "status": "active_transcription",
        "lines": lines,
        "buffer_transcription": tail,
        "remaining_time_transcription": 0.5,
    }


@asynccontextmanager
async def serving(fake: FakeAsr) -> AsyncIterator[FakeAsr]:
    app = web.Application()
    app.router.add_get("/asr", fake.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"ws://{host}:{port}/asr"
    try:
        yield fake
    finally:
        await runner.cleanup()


@pytest.fixture
def fake_asr():
    """`async with fake_asr(script=[...]) as server: ... server.url`."""
    return lambda **wishes: serving(FakeAsr(**wishes))


@pytest.fixture
def manifest(tmp_path):
    """Writes clips of silence with the given keys: `manifest({"id": "a", "text": "yes", "seconds": 1.0}, ...)`."""
    import numpy as np
    import soundfile

    def write(*rows: dict[str, object]):
        defaults = {"set": "s", "seconds": 0.5, "language": "en", "text": ""}
        with (tmp_path / "manifest.jsonl").open("w") as file:
            for row in rows:
                row = {"path": f"{row['id']}.flac", **defaults, **row}
                soundfile.write(tmp_path / str(row["path"]), np.zeros(int(row["seconds"] * 16_000)), 16_000)
                file.write(json.dumps(row) + "\n")
        return tmp_path / "manifest.jsonl"

    return write
