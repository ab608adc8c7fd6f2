"""/asr of the whole daemon, on the scripted backend: many words from any audio, decoders and limits as they are."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosedError

from tests.scripted import WORDS, spoken
from tests.waiting import until_metric
from wlkd.client import connect
from wlkd.contract.audio import samples
from wlkd.daemon.listeners import SHUTDOWN_SECONDS
from wlkd.testing import RunningDaemon, running_daemon, speech_like

SECONDS = 5
SPOKEN = f" {spoken(SECONDS)}"

Serve = Callable[..., Any]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def serve() -> Serve:
    """`async with serve(input="pcm") as daemon:`; names of core sections go to the core."""

    @asynccontextmanager
    async def serve(core: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
        values = {"vad": {"name": "none"}, "transports": {"websocket": options}, **(core or {})}
        async with running_daemon(values) as daemon:
            yield daemon

    return serve


def pcm(seconds: float = SECONDS) -> bytes:
    return (speech_like(seconds) * 32767).astype("<i2").tobytes()


async def send(socket: aiohttp.ClientWebSocketResponse, audio: bytes, piece: int = 7_001) -> None:
    for start in range(0, len(audio), piece):
        await socket.send_bytes(audio[start : start + piece])
    await socket.send_bytes(b"")


async def converse(http: aiohttp.ClientSession, url: str, audio: bytes) -> list[dict[str, Any]]:
    """Send everything, read to the end."""
    async with http.ws_connect(url) as socket:
        sending = asyncio.create_task(send(socket, audio))
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] not in ("ready_to_stop", "error"):
            messages.append(await socket.receive_json(timeout=20))
        await sending
        return messages


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(line["text"] or "" for line in lines)


@pytest.mark.parametrize("path", ["/asr", "//asr", "/asr?language=en&unknown=1"])
async def test_everything_sent_is_in_the_transcript(http, serve, path):
    async with serve(input="pcm") as daemon:
        config, *updates, end = await converse(http, daemon.ws + path, pcm())
    assert config == {"type": "config", "useAudioWorklet": True, "ping": True}
    assert end == {"type": "ready_to_stop"}
    last = updates[-1]
    assert text(last["lines"]) == SPOKEN
    assert (last["final"], last["buffer_transcription"], last["remaining_time_transcription"]) == (True, "", 0.0)
    assert "".join(word["text"] for update in updates for word in update["new_words"]) == SPOKEN
    said = [text(update["lines"]) for update in updates]
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))


async def test_the_client_of_the_project_hears_each_word_once_with_its_time(serve):
    async with serve(input="pcm") as daemon, connect(daemon.ws + "/asr", pcm=True) as stream:
        await stream.send(pcm())
        await stream.end_audio()
        words = [word async for update in stream.updates() for word in update.new_words]
    assert [word.text for word in words] == [f" {word}" for word in WORDS]
    ends = [word.end for word in words]
    assert ends == sorted(ends)
    assert 0 < ends[0] < ends[-1] <= samples(SECONDS)


async def test_diff_mode_ends_with_the_same_transcript(http, serve):
    async with serve(input="pcm") as daemon:
        config, snapshot, *diffs, end = await converse(http, daemon.ws + "/asr?mode=diff", pcm())
    assert (config["mode"], snapshot["type"], end["type"]) == ("diff", "snapshot", "ready_to_stop")
    lines = snapshot["lines"]
    for seq, diff in enumerate(diffs, start=2):
        assert (diff["type"], diff["seq"]) == ("diff", seq)
        lines = lines[diff.get("lines_pruned", 0) :] + diff.get("new_lines", [])
        assert len(lines) == diff["n_lines"]
    assert text(lines) == SPOKEN


async def test_the_words_before_a_mistake_are_delivered(http, serve):
    async with serve() as daemon, http.ws_connect(daemon.ws + "/asr?format=pcm") as socket:
        await socket.send_bytes(pcm())
        await socket.send_str("stop")
        async with asyncio.timeout(10):
            messages = [json.loads(message.data) async for message in socket]
    assert text(messages[-2]["lines"]) == SPOKEN
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", "bad_request")


async def test_telephone_audio_needs_only_its_name(http, serve):
    async with serve() as daemon:
        url = daemon.ws + "/asr?format=mulaw&sample_rate=8000"
        messages = await converse(http, url, b"\x55" * (8_000 * SECONDS))
    assert text(messages[-2]["lines"]) == SPOKEN


@pytest.mark.parametrize(
    ("misbehave", "code"),
    [
        (lambda socket: socket.send_bytes(b"\x00rubbish" * 20_000), "undecodable_audio"),
        (lambda socket: socket.send_str("start"), "bad_request"),
        (lambda socket: socket.send_bytes(b"\0" * 40_000), "message_too_big"),
    ],
)
async def test_a_client_that_misbehaves_hurts_nobody_else(http, serve, misbehave, code):
    async with serve(max_message_bytes=200_000 if code != "message_too_big" else 32_768) as daemon:
        good = asyncio.create_task(converse(http, daemon.ws + "/asr?format=pcm", pcm()))
        async with http.ws_connect(daemon.ws + "/asr") as bad:
            assert (await bad.receive_json(timeout=10))["type"] == "config"
            await misbehave(bad)
            if code == "undecodable_audio":
                await bad.send_bytes(b"")
            message = await bad.receive_json(timeout=20)
            while message["type"] == "transcript_update":
                message = await bad.receive_json(timeout=20)
        assert (message["type"], message["code"]) == ("error", code)
        await until_metric(daemon.http, "wlkd_sessions_closed_total", 1, reason=code)
        assert text((await good)[-2]["lines"]) == SPOKEN


async def test_a_client_that_sends_on_reads_why_its_message_was_refused(serve):
    def send_all_then_read(url: str) -> tuple[str | None, int | None]:
        said: list[dict[str, Any]] = []
        with websockets.sync.client.connect(url) as socket:
            with contextlib.suppress(ConnectionClosedError):
                for _ in range(100):
                    socket.send(bytes(40_000))
                said.extend(json.loads(message) for message in socket)
            return said[-1].get("code") if said else None, socket.close_code

    async with serve(max_message_bytes=32_768) as daemon:
        told = [await asyncio.to_thread(send_all_then_read, f"{daemon.ws}/asr") for _ in range(3)]
    assert told == [("message_too_big", 1009)] * 3


@pytest.mark.parametrize(
    ("frame", "close_code", "told"),
    [
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007, "Invalid UTF-8 text message"),
        (b"\xf2\x80\0\0\0\0", 1002, "Received frame with non-zero reserved bits"),
    ],
    ids=["a text that is no UTF-8", "reserved bits"],
)
async def test_a_client_that_breaks_the_protocol_is_told_from_one_that_leaves(
    http, serve, caplog, frame, close_code, told
):
    caplog.set_level("INFO")
    async with serve(input="pcm") as daemon, http.ws_connect(daemon.ws + "/asr") as socket:
        await socket.receive_json(timeout=10)
        socket._writer.transport.write(frame)
        async for _ in socket:
            pass
        assert socket.close_code == close_code
        await until_metric(daemon.http, "wlkd_sessions_closed_total", 1, reason="bad_request")
    assert f"bad_request: the client breaks the WebSocket protocol: {told}" in caplog.text


async def test_a_client_that_disappears_gives_its_place_back(http, serve):
    async with serve({"sessions": {"max_sessions": 1}}) as daemon:
        gone = await http.ws_connect(daemon.ws + "/asr?format=pcm")
        await gone.receive_json(timeout=10)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(daemon.ws + "/asr")
        assert refused.value.status == 503 and int(refused.value.headers["Retry-After"]) > 0
        metrics = await (await http.get(daemon.http + "/metrics")).text()
        assert 'wlkd_sessions_refused_total{reason="server_full"} 1.0' in metrics
        gone._response.connection.transport.abort()
        async with asyncio.timeout(10):
            while (await http.get(daemon.http + "/asr")).status != 426:  # noqa: ASYNC110 - across a socket
                await asyncio.sleep(0.02)
        messages = await converse(http, daemon.ws + "/asr?format=pcm", pcm())
        assert text(messages[-2]["lines"]) == SPOKEN


async def test_a_token_is_asked_for_and_the_page_is_not_locked(http, serve, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with serve({"auth": {"tokens_file": str(tokens)}}, input="pcm") as daemon:
        for query in ("", "?token=wrong"):
            answer = await http.get(daemon.http + "/asr" + query)
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")
        assert (await http.get(daemon.http + "/")).status == 200
        messages = await converse(http, daemon.ws + "/asr?token=sesame", pcm())
        assert messages[-1]["type"] == "ready_to_stop"


async def test_an_unknown_language_is_refused_in_a_sentence(http, serve):
    async with serve() as daemon, http.ws_connect(daemon.ws + "/asr?language=tlh") as socket:
        error = await socket.receive_json(timeout=10)
        assert error["code"] == "bad_request" and "klingon is not known here" in error["message"]
        assert error["error"] == error["message"]
        assert (await socket.receive(timeout=10)).data == 1008


async def test_a_client_can_ask_what_it_may_offer(http, serve):
    async with serve({"recognition": {"language": "fr"}}) as daemon:
        answer = await http.get(daemon.http + "/asr/capabilities")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        offer = await answer.json()
        [engine] = offer.pop("engines")
        assert (engine["name"], engine["backend"], engine["abilities"]["streaming"]) == ("default", "scripted", False)
        assert offer == {
            "languages": ["de", "en", "es", "fr", "zh"],
            "language": "fr",
            "tasks": ["transcribe", "translate"],
            "chinese_script": "simplified",
            "diarization": False,
            "target_languages": [],
            "language_scope": "session",
        }


async def test_draining_delivers_what_was_sent(http, serve):
    async with serve(input="pcm") as daemon, http.ws_connect(daemon.ws + "/asr") as socket:
        await socket.receive_json(timeout=10)
        await socket.send_bytes(pcm())
        heard = await socket.receive_json(timeout=10)
        while heard["received_seconds"] == 0:
            heard = await socket.receive_json(timeout=10)
        daemon.daemon.stop()
        while heard["type"] == "transcript_update":
            lines, heard = heard["lines"], await socket.receive_json(timeout=20)
        assert (heard["type"], heard["code"]) == ("error", "draining")
        assert text(lines) == SPOKEN
        assert (await socket.receive(timeout=10)).data == 1013


async def test_draining_closes_as_soon_as_the_client_has_answered_the_close_frame(serve):
    """A page that finds its connection open takes it for alive, and what it sends meanwhile is lost."""
    async with serve(input="pcm") as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        key = base64.b64encode(bytes(16)).decode()
        writer.write(
            f"GET /asr HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await reader.readuntil(b"useAudioWorklet")
        daemon.daemon.stop()
        await reader.readuntil(b"\x88")  # the opcode of a close frame
        writer.write(b"\x88\x82" + bytes(4) + (1000).to_bytes(2))  # the answer, masked with zeros
        async with asyncio.timeout(SHUTDOWN_SECONDS / 2):
            await reader.read()
        writer.close()


# The page as files -----------------------------------------------------------------------------------------


async def test_the_page_and_all_its_files_are_served_with_a_strict_policy(http, serve):
    async with serve() as daemon:
        for path in ("/", "//"):
            answer = await http.get(daemon.http + path)
            html = await answer.text()
            assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        for name in re.findall(r'(?:src|href)="(page/[^"]+)"', html):
            answer = await http.get(f"{daemon.http}/{name}")
            assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        again = await http.get(
            f"{daemon.http}/", headers={"If-None-Match": (await http.get(daemon.http)).headers["ETag"]}
        )
        assert again.status == 304
        assert (await http.get(daemon.http + "/page/..%2f__init__.py")).status == 404


async def test_the_page_can_be_switched_off(http, serve):
    async with serve(page=False) as daemon:
        assert (await http.get(daemon.http + "/")).status == 404
        assert (await http.get(daemon.http + "/asr")).status == 426


def test_the_page_names_no_address_outside_the_server():
    for file in files("wlkd_websocket").joinpath("static").iterdir():
        outside = set(re.findall(r"https?://[\w.-]+", file.read_text())) - {"http://www.w3.org"}
        assert not outside, f"{file.name} names {outside}"


def test_both_languages_of_the_page_say_the_same_things():
    source = files("wlkd_websocket").joinpath("static/i18n.js").read_text()
    english, chinese = (
        dict(re.findall(r'^ {4}(\w+):\s*"(.*)",$', part, re.M)) for part in source.split("  zh: {\n", 1)
    )
    assert english.keys() == chinese.keys() and len(english) > 50
    for key, words in english.items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", chinese[key])), key


def test_json_stays_readable_for_people():
    """Chinese is sent as Chinese: half the bytes, and a log that can be read."""
    from wlkd_websocket.messages import FullMessages

    from wlkd import Line, Update, Word

    message = FullMessages().write(Update(lines=(Line(0, 1, (Word("你好", 0, 1),)),)))
    assert "你好" in message and json.loads(message)["lines"][0]["text"] == "你好"
