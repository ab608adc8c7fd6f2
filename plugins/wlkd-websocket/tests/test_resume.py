"""Resuming over the wire: the examples of docs/API.md through connections that break, every mode, every refusal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.relay import relay
from tests.waiting import until_metric
from wlkd.testing import RunningDaemon, running_daemon, speech_like

from .test_api_document import blocks

SECRET = "a secret of at least thirty-two characters\n"
WORDS = " one two three four five six seven eight nine ten"
AUDIO = (speech_like(20) * 32767).astype("<i2").tobytes()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path


@asynccontextmanager
async def node(key: Path | None, max_message_bytes: int = 2**24, **values: Any) -> AsyncIterator[RunningDaemon]:
    auth = {"continuation_key": str(key) if key else None}
    transports = {"websocket": {"input": "pcm", "close_timeout_seconds": 0.5, "max_message_bytes": max_message_bytes}}
    async with running_daemon({"vad": {"name": "none"}, "auth": auth, "transports": transports, **values}) as daemon:
        yield daemon


class Python:
    """The example of the document in Python."""

    def __init__(self, url: str) -> None:
        names: dict[str, Any] = {}
        exec(next(block for block in blocks("python") if "class Stream" in block), names)
        self.news = asyncio.Event()
        self._stream = names["Stream"](url)
        self.add, self.end, self.run, self._take = (
            getattr(self._stream, name) for name in ("add", "end", "run", "take")
        )
        self._stream.take = self._taking

    def _taking(self, update: dict[str, Any]) -> None:
        self._take(update)
        self.news.set()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return list(self._stream.lines)

    @property
    def kept_from(self) -> int:
        return int(self._stream.kept_from)


class JavaScript:
    """The example of the document in JavaScript, in the Node of Playwright: its input is the audio."""

    AROUND = """
        const stream = new Stream(process.argv[1]);
        const say = () => console.log(JSON.stringify({ lines: stream.lines, kept_from: stream.keptFrom }));
        const take = stream.take.bind(stream);
        stream.take = (update) => { take(update); say(); };
        process.stdin.on("data", (data) => stream.add(data));
        process.stdin.on("end", () => stream.end());
        await stream.run();
    """

    def __init__(self, url: str) -> None:
        playwright = pytest.importorskip("playwright")
        node = Path(playwright.__file__).parent / "driver" / "node"
        code = next(block for block in blocks("js") if "class Stream" in block) + self.AROUND
        self._command = [str(node), "--input-type=module", "--eval", code, url]
        self._audio: asyncio.Queue[bytes] = asyncio.Queue()
        self.news = asyncio.Event()
        self.lines: list[dict[str, Any]] = []
        self.kept_from = 0
        self.add = self._audio.put_nowait

    def end(self) -> None:
        self._audio.put_nowait(b"")

    async def run(self) -> list[dict[str, Any]]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=2**20)
        assert process.stdin is not None and process.stdout is not None
        speaking = asyncio.create_task(self._speak(process.stdin))
        try:
            async for line in process.stdout:
                told = json.loads(line)
                self.lines, self.kept_from = told["lines"], told["kept_from"]
                self.news.set()
            assert await process.wait() == 0
        finally:
            speaking.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        return self.lines

    async def _speak(self, pipe: asyncio.StreamWriter) -> None:
        while audio := await self._audio.get():
            pipe.write(audio)
            await pipe.drain()
        pipe.close()


def spoken(lines: list[dict[str, Any]]) -> str:
    return "".join(line["text"] for line in lines if line["text"])


async def until(stream: Python | JavaScript, words: int) -> None:
    """The stream has that many words."""
    async with asyncio.timeout(20):
        while len(spoken(stream.lines).split()) < words:
            stream.news.clear()
            await stream.news.wait()


@pytest.mark.parametrize("query", ["", "?words=true"])
@pytest.mark.parametrize("language", [Python, JavaScript])
async def test_the_examples_lose_nothing_over_broken_connections_and_another_node(
    key: Path, language: type[Python | JavaScript], query: str
) -> None:
    most = 100_000  # fewer bytes than are kept over a break
    async with node(key, most) as first, node(key, most) as second, relay(first.port) as way:
        stream = language(f"ws://127.0.0.1:{way.port}/asr{query}")
        running = asyncio.create_task(stream.run())
        third = len(AUDIO) // 3
        stream.add(AUDIO[:third])
        await until(stream, 5)
        way.cut()  # and back to the same node
        stream.add(AUDIO[third : 2 * third])
        await until(stream, 19)
        way.ports = [second.port]
        way.cut()  # and on to the other one
        stream.add(AUDIO[2 * third :])
        stream.end()
        lines = await asyncio.wait_for(running, 20)
        assert way.connections == 3
    assert spoken(lines) == 4 * WORDS
    assert stream.kept_from > len(AUDIO) / 3
    assert [line["start_seconds"] for line in lines] == sorted(line["start_seconds"] for line in lines)


@pytest.mark.parametrize("language", [Python, JavaScript])
async def test_the_examples_wait_for_a_place_where_there_is_none(
    key: Path, language: type[Python | JavaScript]
) -> None:
    async with (
        node(key) as first,
        node(key, sessions={"max_sessions": 1}) as second,
        relay(first.port) as way,
        aiohttp.ClientSession() as http,
    ):
        stream = language(f"ws://127.0.0.1:{way.port}/asr")
        running = asyncio.create_task(stream.run())
        stream.add(AUDIO[: len(AUDIO) // 2])
        await until(stream, 5)
        async with http.ws_connect(f"{second.ws}/asr"):
            way.ports = [second.port]
            way.cut()
            await until_metric(second.http, "wlkd_sessions_refused_total", 1, reason="server_full")
        stream.add(AUDIO[len(AUDIO) // 2 :])
        stream.end()
        assert spoken(await asyncio.wait_for(running, 20)) == 4 * WORDS


@pytest.mark.parametrize("language", [Python, JavaScript])
async def test_the_examples_begin_anew_at_a_server_with_another_key(language: type[Python | JavaScript]) -> None:
    async with node(None) as first, node(None) as second, relay(first.port) as way:
        stream = language(f"ws://127.0.0.1:{way.port}/asr")
        running = asyncio.create_task(stream.run())
        stream.add(AUDIO[: len(AUDIO) * 3 // 4])
        await until(stream, 29)
        before, kept_from = spoken(stream.lines).split(), stream.kept_from
        way.ports = [second.port]
        way.cut()
        stream.add(AUDIO[len(AUDIO) * 3 // 4 :])
        stream.end()
        words = spoken(await asyncio.wait_for(running, 20)).split()
    # The second server says two words for every second that was kept, from the first word on.
    again = round(2 * (len(AUDIO) - kept_from) / 32_000)
    assert kept_from > 0
    assert words[-again:] == (4 * WORDS).split()[:again]
    assert words[:-again] == before[: len(words) - again]
    assert len(words) >= 40


async def test_the_examples_give_up_where_they_are_not_wanted(key: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with node(key, auth={"continuation_key": str(key), "tokens_file": str(tokens)}) as daemon:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await asyncio.wait_for(Python(f"{daemon.ws}/asr").run(), 10)
        with pytest.raises(AssertionError):
            await asyncio.wait_for(JavaScript(f"{daemon.ws}/asr").run(), 10)


async def test_the_examples_move_to_another_node_when_theirs_is_stopped(key: Path) -> None:
    async with node(key) as second, relay() as way:
        async with node(key) as first:
            way.ports = [first.port]
            url = f"ws://127.0.0.1:{way.port}/asr"
            streams: list[Python | JavaScript] = [Python(url), JavaScript(url)]
            running = [asyncio.create_task(stream.run()) for stream in streams]
            for stream in streams:
                stream.add(AUDIO[: len(AUDIO) // 2])
                await until(stream, 19)
            way.ports = [second.port]
        for stream in streams:
            stream.add(AUDIO[len(AUDIO) // 2 :])
            stream.end()
        for lines in await asyncio.wait_for(asyncio.gather(*running), 20):
            assert spoken(lines) == 4 * WORDS
        assert way.connections == 4


async def connect(http: aiohttp.ClientSession, daemon: RunningDaemon, resume: str = "true", mode: str = "full") -> Any:
    return await http.ws_connect(f"{daemon.ws}/asr?resume={resume}&mode={mode}")


async def resumed(http: aiohttp.ClientSession, daemon: RunningDaemon, continuation: Any) -> Any:
    """The answer to a continuation."""
    socket = await connect(http, daemon, "continue")
    await socket.send_json({"type": "resume", "continuation": continuation})
    return await socket.receive_json(timeout=30)


async def test_diffs_go_on_behind_the_lines_that_the_client_has(key: Path) -> None:
    sessions = {"max_line_seconds": 2, "line_pause_seconds": 0.5, "silence_line_seconds": 1}
    async with (
        node(key, sessions=sessions) as first,
        node(key, sessions=sessions) as second,
        aiohttp.ClientSession() as http,
    ):
        socket = await connect(http, first, mode="diff")
        assert (await socket.receive_json())["resume"]["continued"] is False
        await socket.send_bytes(AUDIO)
        held: list[dict[str, Any]] = []
        while len(held) < 5:
            message = await socket.receive_json(timeout=10)
            new = message.get("lines") if message["type"] == "snapshot" else message.get("new_lines", [])
            held = [*held[message.get("lines_pruned", 0) :], *new]
        socket = await connect(http, second, "continue", mode="diff")
        await socket.send_json({"type": "resume", "continuation": message["continuation"]})
        begin = (await socket.receive_json())["resume"]
        assert begin["continued"] and begin["first_line"] == len(held) - 1
        await socket.send_bytes(AUDIO[begin["from_bytes"] :])
        await socket.send_bytes(b"")
        after: list[dict[str, Any]] = []
        while (message := await socket.receive_json(timeout=10))["type"] != "ready_to_stop":
            new = message.get("lines") if message["type"] == "snapshot" else message.get("new_lines", [])
            after = [*after[message.get("lines_pruned", 0) :], *new]
    assert spoken(held[: begin["first_line"]] + after) == 4 * WORDS


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (json.dumps({"type": "resume", "continuation": "forged"}), "cannot_resume"),
        (json.dumps({"type": "resume", "continuation": "A" * 100_000}), "cannot_resume"),
        ('{"type": "resume"}', "bad_request"),
        ("no JSON", "bad_request"),
        (r'{"type": "resume", "continuation": "\ud800"}', "bad_request"),
        ("[" * 100_000, "bad_request"),
        (b"audio", "bad_request"),
        (None, "bad_request"),
    ],
)
async def test_what_is_no_continuation_is_refused_before_any_work(key: Path, said: Any, code: str) -> None:
    async with node(key) as daemon, aiohttp.ClientSession() as http:
        socket = await connect(http, daemon, "continue")
        if isinstance(said, bytes):
            await socket.send_bytes(said)
        elif said is not None:
            await socket.send_str(said)
        answer = await socket.receive_json(timeout=30)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert await until_closed(socket) == 1008
        async with http.get(f"{daemon.http}/metrics") as metrics:
            lines = (await metrics.text()).splitlines()
            closed = [line for line in lines if line.startswith("wlkd_sessions_closed_total{")]
            assert closed and all(line.endswith(" 0.0") for line in closed)


async def until_closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in socket:
        continue
    return socket.close_code


async def test_who_goes_on_finds_his_place_in_a_full_house(key: Path) -> None:
    async with node(key, sessions={"max_sessions": 1}) as daemon, aiohttp.ClientSession() as http:
        socket = await connect(http, daemon)
        await socket.receive_json()
        await socket.send_bytes(AUDIO[: 2 * 32_000])
        while not (update := await socket.receive_json(timeout=30))["new_words"]:
            continue
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await connect(http, daemon)
        assert (await resumed(http, daemon, update["continuation"]))["resume"]["continued"]
        # The first connection hears of it, and the words of the audio before are the other one's.
        told = [json.loads(message.data) async for message in socket]
        assert told[-1]["code"] == "taken_over"
