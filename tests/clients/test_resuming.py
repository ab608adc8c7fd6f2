"""Our own clients over connections and daemons that die: not a word lost, doubled or revised."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.relay import relay
from tests.scripted import spoken
from wlkd.client import (
    ClientError,
    FileAudio,
    LiveAudio,
    Lost,
    Refused,
    Transcript,
    asr,
    connect,
    connect_resuming,
    resuming,
)
from wlkd.client.resuming import next_pause
from wlkd.testing import free_port, running_daemon, speech_like

SECRET = "a secret of at least thirty-two characters\n"
AUDIO = (speech_like(12) * 32767).astype("<i2").tobytes()
WORDS = 24
SPOKEN = spoken(WORDS / 2).split()


def configuration(key: Path | None, port: int, **backend: str) -> dict[str, Any]:
    return {
        "vad": {"name": "none"},
        "backend": {"name": "scripted", "options": backend},
        "decoders": {"pcm": {}},
        "transports": {"websocket": {"input": "pcm"}},
        "server": {"host": "127.0.0.1", "port": port},
        "auth": {"continuation_key": str(key) if key else None},
        "warmup": False,
    }


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path


WLKD = ("-m", "wlkd")
ANOTHER_VERSION = (
    "-c",
    "from wlkd.sessions import continuation; continuation.VERSION += 1; import wlkd.__main__ as m; m.main()",
)
"""A release whose continuations differ."""


@asynccontextmanager
async def process(
    folder: Path, key: Path, port: int, program: tuple[str, str] = WLKD
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A daemon of its own, which can be killed."""
    file = folder / f"{port}.yaml"
    await asyncio.to_thread(file.write_text, json.dumps(configuration(key, port)))
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, *program, "run", "--config", str(file), stderr=asyncio.subprocess.PIPE
    )
    assert daemon.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"serving on" not in (line := await daemon.stderr.readline()):
                assert line, "the daemon ended before it served"
        yield daemon
    finally:
        if daemon.returncode is None:
            daemon.kill()
        await daemon.communicate()


class Listener:
    """A client and what it has been told."""

    def __init__(self, url: str, **wishes: str) -> None:
        self.url = url
        self.wishes = wishes
        self.audio = LiveAudio()
        self.texts: list[str] = []
        self.continuation = ""
        self.said: list[str] = []
        self.heard = asyncio.Event()
        self.news = asyncio.Event()
        self.task = asyncio.create_task(self.run())

    async def run(self) -> Transcript:
        async with connect_resuming(self.url, self.audio, pcm=True, wishes=self.wishes, say=self.say) as stream:
            async for update in stream.updates():
                last = update
                self.texts.append(update.committed)
                self.continuation = update.place.continuation if update.place else ""
                self.news.set()
        return last

    def say(self, text: str) -> None:
        self.said.append(text)
        self.heard.set()

    async def hears(self, text: str) -> None:
        async with asyncio.timeout(20):
            while not any(text in said for said in self.said):
                self.heard.clear()
                await self.heard.wait()

    async def has(self, words: int) -> None:
        async with asyncio.timeout(20):
            while not self.texts or len(self.texts[-1].split()) < words:
                self.news.clear()
                await self.news.wait()

    def check(self, last: Transcript) -> None:
        assert last.committed.split() == SPOKEN
        assert all(later.startswith(before) for before, later in zip(self.texts, self.texts[1:], strict=False))
        assert [word.start for line in last.lines for word in line.words] == sorted(
            word.start for line in last.lines for word in line.words
        )


async def test_a_killed_daemon_costs_its_resumable_clients_not_a_word(key: Path, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    async with (
        process(tmp_path, key, ports[0]) as first,
        running_daemon(configuration(key, ports[1])),
        relay(*ports) as way,
    ):
        url = f"ws://127.0.0.1:{way.port}/asr"
        listeners = [Listener(url) for _ in range(4)]
        async with connect(url, pcm=True) as plain:
            for at in range(0, len(AUDIO) // 2, 3200):
                for listener in listeners:
                    await listener.audio.add(AUDIO[at : at + 3200])
            for listener in listeners:
                await listener.has(5)
            first.send_signal(signal.SIGKILL)
            await first.wait()
            way.ports = [ports[1]]
            with pytest.raises(Lost):
                [_ async for _ in plain.updates()]
        for listener in listeners:
            await listener.audio.add(AUDIO[len(AUDIO) // 2 :])
            await listener.audio.end()
        for listener in listeners:
            listener.check(await asyncio.wait_for(listener.task, 20))
            assert listener.said[-1] == "connected again, and nothing is lost"


@pytest.mark.parametrize(
    ("another_version", "reason"),
    [(False, "another key"), (True, "it has version 1, and this server knows version 2")],
)
async def test_who_cannot_resume_begins_anew_and_says_so(
    key: Path, tmp_path: Path, another_version: bool, reason: str
) -> None:
    ports = free_port(), free_port()
    stranger = (
        process(tmp_path, key, ports[1], ANOTHER_VERSION)
        if another_version
        else running_daemon(configuration(None, ports[1]))
    )
    async with running_daemon(configuration(key, ports[0])), stranger, relay(*ports) as way:
        listener = Listener(f"ws://127.0.0.1:{way.port}/asr", words="true")
        await listener.audio.add(AUDIO)
        await listener.has(20)
        way.ports = [ports[1]]
        way.cut()
        await listener.audio.end()
        last = await asyncio.wait_for(listener.task, 20)
    assert any(f"{reason}; beginning anew" in text for text in listener.said)
    # Its bytes begin up to a second before what is settled.
    assert WORDS <= len(last.committed.split()) <= WORDS + 2
    assert 12 <= max(line.end for line in last.lines) / 16_000 <= 13


async def test_a_drained_daemon_hands_its_client_on(key: Path) -> None:
    ports = free_port(), free_port()
    async with running_daemon(configuration(key, ports[1])), relay(*ports) as way:
        async with running_daemon(configuration(key, ports[0])) as first:
            listener = Listener(f"ws://127.0.0.1:{way.port}/asr")
            await listener.audio.add(AUDIO[: len(AUDIO) // 2])
            await listener.has(5)
            way.ports = [ports[1]]
            # Nobody pauses, so it is moved in the middle of a sentence, 5 s later.
            first.daemon.stop()
        await listener.audio.add(AUDIO[len(AUDIO) // 2 :])
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


async def test_what_was_noted_before_is_not_forgotten(key: Path) -> None:
    samples = speech_like(40).astype("<f4")
    samples[16_000] = np.nan
    samples[-16_000] = np.nan
    data, ports = samples.tobytes(), (free_port(), free_port())
    audio, seen = LiveAudio(), list[Transcript]()
    first, second = (running_daemon(configuration(key, port)) for port in ports)
    async with first, second, relay(*ports) as way:
        url, wishes = f"ws://127.0.0.1:{way.port}/asr", {"format": "f32le"}
        async with connect_resuming(url, audio, pcm=False, wishes=wishes) as stream:
            await audio.add(data[: 4 * 16_000 * 30])
            async for update in stream.updates():
                seen.append(update)
                if len(way.ports) == 2 and len(update.committed.split()) > 50:
                    way.ports = way.ports[1:]
                    way.cut()
                    await audio.add(data[4 * 16_000 * 30 :])
                    await audio.end()
    assert way.connections == 2
    assert [round(note.start / 16_000) for note in seen[-1].notes] == [1, 39]


async def test_a_proxy_without_a_server_is_asked_again(key: Path) -> None:
    port, asked = free_port(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        asked.set()

    proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with proxy, running_daemon(configuration(key, port)), relay(port) as way:
        listener = Listener(f"ws://127.0.0.1:{way.port}/asr")
        await listener.audio.add(AUDIO)
        await listener.has(5)
        way.ports = [proxy.sockets[0].getsockname()[1]]
        way.cut()
        await asked.wait()
        way.ports = [port]
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


async def test_a_network_that_dies_twice_in_a_row_costs_not_a_word(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "CONNECT_TIMEOUT_SECONDS", 1.0)
    port, connected = free_port(), asyncio.Event()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        """Nothing comes through from here on."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connected.set()
        await socket.receive()  # the continuation
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/asr", answer)
    async with TestServer(app) as dead, running_daemon(configuration(key, port)), relay(port) as way:
        listener = Listener(f"ws://127.0.0.1:{way.port}/asr")
        await listener.audio.add(AUDIO)
        await listener.has(5)
        assert dead.port is not None
        way.ports = [dead.port]
        way.cut()
        await connected.wait()
        way.ports = [port]
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


async def test_a_connection_that_was_given_up_and_comes_late_costs_not_a_word(key: Path) -> None:
    async with running_daemon(configuration(key, port := free_port())), relay(port) as way:
        listener = Listener(f"ws://127.0.0.1:{way.port}/asr")
        await listener.audio.add(AUDIO[: len(AUDIO) // 2])
        await listener.has(5)
        # As a network delivers it that held up what the client sent before it tried again.
        async with connect(f"ws://127.0.0.1:{port}/asr", pcm=True, resume=listener.continuation):
            await listener.hears("taken_over")
        await listener.audio.add(AUDIO[len(AUDIO) // 2 :])
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


async def test_a_machine_that_slept_longer_than_the_server_waits_costs_not_a_word(key: Path) -> None:
    values = {**configuration(key, port := free_port()), "sessions": {"idle_timeout_seconds": 1}}
    async with running_daemon(values):
        listener = Listener(f"ws://127.0.0.1:{port}/asr")
        await listener.audio.add(AUDIO[: len(AUDIO) // 2])
        await listener.hears("idle_timeout")
        await listener.audio.add(AUDIO[len(AUDIO) // 2 :])
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


async def test_a_backend_that_fails_costs_not_a_word(key: Path) -> None:
    ports = free_port(), free_port()
    failing, sound = configuration(key, ports[0], fail_on=" seven"), configuration(key, ports[1])
    async with running_daemon(failing), running_daemon(sound), relay(*ports) as way:
        listener = Listener(f"ws://127.0.0.1:{way.port}/asr")
        await listener.audio.add(AUDIO)
        await listener.hears("backend_failed")
        way.ports = way.ports[1:]
        await listener.audio.end()
        listener.check(await asyncio.wait_for(listener.task, 20))


@pytest.mark.parametrize("code", ["too_slow", "backend_failed", "internal"])
async def test_a_server_that_always_fails_is_asked_ever_more_rarely_and_not_for_ever(
    fake_asr: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(resuming, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(resuming, "GIVE_UP_SECONDS", 0.8)
    config = {"type": "config", "useAudioWorklet": True, "resume": {"header_bytes": 0, "from_bytes": 0}}
    audio = LiveAudio()
    await audio.add(AUDIO)
    async with fake_asr(config=config, fail_after=0.1, error=(code, 1011)) as server:
        with pytest.raises(Lost, match=f"{code}: what was that"):
            async with connect_resuming(server.url, audio, pcm=True) as stream, asyncio.timeout(20):
                [_ async for _ in stream.updates()]
    assert 4 <= len(server.queries) <= 8


async def test_a_file_is_read_again_from_where_it_was(key: Path, tmp_path: Path) -> None:
    path = tmp_path / "speech.raw"
    path.write_bytes(AUDIO)
    port = free_port()
    async with running_daemon(configuration(key, port)), relay(port) as way:
        with path.open("rb") as file:
            connecting = connect_resuming(f"ws://127.0.0.1:{way.port}/asr", FileAudio(file), pcm=True)
            async with connecting as stream:
                cuts = 0
                async for update in stream.updates():
                    if update.lines and cuts < 2:
                        way.cut()
                        cuts += 1
                last = update
    assert last.committed.split() == SPOKEN


def test_a_client_waits_twice_as_long_each_time_but_no_longer_than_a_full_server_says() -> None:
    pauses: dict[str, list[Lost | Refused]] = {
        "away": [Lost("connection refused")] * 8,
        "full": [Refused("full", 5.0)] * 8,
        "full at once": [Refused("full", 0.0)] * 2,
        "full without a word": [Refused("full")] * 8,
    }
    waited = {
        how: list(accumulate(errors, next_pause, initial=0.0))[1:]  # the first attempt, after `moving`, comes at once
        for how, errors in pauses.items()
    }
    assert waited["away"] == waited["full without a word"] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert waited["full"] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
    assert waited["full at once"] == [0.5, 0.5]


async def test_who_adds_more_than_is_kept_goes_on_once_some_of_it_is_settled(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "MAX_KEPT_BYTES", len(AUDIO) - 3200)
    async with running_daemon(configuration(key, port := free_port())):
        listener = Listener(f"ws://127.0.0.1:{port}/asr")
        async with asyncio.timeout(20):
            for at in range(0, len(AUDIO), 3200):
                await listener.audio.add(AUDIO[at : at + 3200])
            await listener.audio.add(AUDIO)  # waits: so much is kept, until the first half of it is settled
            await listener.audio.end()
            last = await listener.task
    assert len(last.committed.split()) == 2 * WORDS


async def test_a_server_that_cannot_resume_is_served_as_ever(fake_asr: Any) -> None:
    async with fake_asr(script=[(0.25, " one", " two")], rest=" one two.") as server:
        audio = LiveAudio()
        await audio.add(b"\0" * 8000)
        await audio.end()
        async with connect_resuming(server.url, audio, pcm=True) as stream:
            texts = [update.committed async for update in stream.updates()]
    assert texts == [" one", " one two."]
    async with fake_asr(silent_end=True, close_at_end=1011) as server:
        audio = LiveAudio()
        await audio.end()
        with pytest.raises(ClientError):
            async with connect_resuming(server.url, audio, pcm=True) as stream:
                [_ async for _ in stream.updates()]
