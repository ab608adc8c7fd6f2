"""The port as its clients use it: `nc`, many at once, fast, slow and rude ones."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from wlkd_tcp.transport import Tcp, TcpOptions

from tests.scripted import spoken
from tests.waiting import until_metric
from wlkd import ConfigError
from wlkd.testing import RunningDaemon, Told, check_transport, free_port, running_daemon

SECOND = bytes(32_000)


@asynccontextmanager
async def serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[tuple[RunningDaemon, int]]:
    """The daemon, and its TCP port."""
    port = free_port()
    transports = {"tcp": {"host": "127.0.0.1", "port": port, **options}}
    async with running_daemon({"vad": {"name": "none"}, "transports": transports, **(values or {})}) as daemon:
        yield daemon, port


@asynccontextmanager
async def listening(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[int]:
    """The daemon's TCP port."""
    async with serving(values, **options) as (_, port):
        yield port


async def talk(port: int, audio: bytes) -> list[Any]:
    """Send `audio`, half-close, read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(audio)
    writer.write_eof()
    async with asyncio.timeout(20):
        lines = (await reader.read()).splitlines()
    writer.close()
    await writer.wait_closed()
    return [json.loads(line) for line in lines]


def text_of(messages: list[Any]) -> str:
    return "".join(message["text"] for message in messages)


async def netcat(port: int, audio: Path) -> str:
    command = shutil.which("nc")
    if command is None:
        pytest.skip("nc is not installed")
    with audio.open("rb") as stdin:
        # -N: shut the sending side down at the end of the input, as the OpenBSD variant must be told.
        process = await asyncio.create_subprocess_exec(
            command, "-N", "127.0.0.1", str(port), stdin=stdin, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_nc_gets_every_word_after_it_has_sent_the_last_byte(tmp_path):
    audio = tmp_path / "audio.raw"
    audio.write_bytes(SECOND * 7 + bytes(8_000))
    async with listening() as port:
        messages = [json.loads(line) for line in (await netcat(port, audio)).splitlines()]
    assert text_of(messages) == f" {spoken(7.5)}"
    assert [message["is_final"] for message in messages] == [False] * (len(messages) - 1) + [True]
    assert messages[-1]["end"] == 7.5
    words = [word for message in messages for word in message["words"]]
    assert [word["start"] for word in words] == [i / 2 for i in range(15)]


async def test_nc_reads_text_lines(tmp_path):
    audio = tmp_path / "audio.raw"
    audio.write_bytes(SECOND)
    async with listening(format="text") as port:
        assert "".join(line.split(" ", 2)[2] for line in (await netcat(port, audio)).splitlines()) == " one two"


async def test_words_come_while_the_client_speaks():
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SECOND * 3)
        async with asyncio.timeout(10):
            first = json.loads(await reader.readline())
        assert first["text"].startswith(" one")
        assert not first["is_final"]
        writer.close()


async def test_many_clients_at_once_hear_only_themselves():
    async with listening({"sessions": {"max_sessions": 8}}) as port:
        lengths = [1, 2, 3, 4, 5, 6, 7, 8]
        answers = await asyncio.gather(*(talk(port, SECOND * length) for length in lengths))
    assert [text_of(answer) for answer in answers] == [f" {spoken(length)}" for length in lengths]


async def test_a_cut_sample_and_an_empty_stream_are_no_mistakes():
    async with listening() as port:
        assert text_of(await talk(port, SECOND + b"\x01")) == " one two"
        assert await talk(port, b"") == []


async def test_the_language_of_the_port_is_asked_for_and_checked():
    async with listening(language="de") as port:
        assert {message["language"] for message in await talk(port, SECOND)} == {"de"}
    async with listening(language="tlh") as port:
        [answer] = await talk(port, SECOND)
    assert answer["error"]["code"] == "bad_request"
    assert "tlh" in answer["error"]["message"]


async def test_a_client_too_many_is_told_so_and_the_others_go_on():
    async with listening({"sessions": {"max_sessions": 1}}) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SECOND * 3)
        await reader.readline()
        # More than the socket buffers hold: the refusal must reach a client that is still sending.
        [refusal] = await talk(port, SECOND * 60)
        assert refusal["error"]["code"] == "server_full"
        writer.write_eof()
        assert json.loads((await reader.read()).splitlines()[-1])["is_final"]
        writer.close()
        await writer.wait_closed()
        assert text_of(await talk(port, SECOND)) == " one two"


async def test_a_silent_client_is_sent_away():
    async with listening({"sessions": {"idle_timeout_seconds": 0.2}}) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SECOND)
        async with asyncio.timeout(10):
            *words, error = [json.loads(line) for line in (await reader.read()).splitlines()]
        writer.close()
    assert text_of(words) == " one two"
    assert error["error"]["code"] == "idle_timeout"


async def test_a_client_faster_than_recognition_is_slowed_down_and_loses_nothing():
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.02}},
        "sessions": {"max_backlog_seconds": 2.0},
        "worker": {"max_chunk_seconds": 1.0},
    }
    async with listening(values) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.set_write_buffer_limits(0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        async def read() -> list[Any]:
            return [json.loads(line) async for line in reader]

        reading = asyncio.create_task(read())
        loop = asyncio.get_running_loop()
        longest = 0.0
        for _ in range(120):
            began = loop.time()
            writer.write(SECOND)
            await writer.drain()
            longest = max(longest, loop.time() - began)
        writer.write_eof()
        async with asyncio.timeout(20):
            messages = await reading
        writer.close()
    assert text_of(messages) == f" {spoken(120)}"
    assert longest > 0.005, "nothing ever held the client back"


async def test_a_client_that_reads_late_gets_merged_lines_with_every_word():
    async with serving() as (daemon, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        for _ in range(100):
            writer.write(SECOND)
            await writer.drain()
        writer.write_eof()
        await until_metric(daemon.http, "wlkd_audio_received_seconds_total", 100)
        async with asyncio.timeout(20):
            lines = (await reader.read()).splitlines()
        writer.close()
    assert text_of([json.loads(line) for line in lines]) == f" {spoken(100)}"


async def test_a_client_that_never_reads_is_dropped():
    script = {"script": [" " + "x" * 200_000], "word_seconds": 0.1}
    values = {"backend": {"name": "scripted", "options": script}}
    async with listening(values, send_timeout_seconds=0.3, close_timeout_seconds=0.2) as port:
        stuck = socket.create_connection(("127.0.0.1", port))
        with stuck:
            await asyncio.to_thread(stuck.sendall, SECOND * 30)
            answer = await talk(port, SECOND)  # meanwhile, another one is served
            assert len(text_of(answer)) == 10 * 200_001
            stuck.settimeout(20)
            with pytest.raises(ConnectionError):
                for _ in range(1000):
                    await asyncio.to_thread(stuck.sendall, SECOND)


async def test_clients_that_vanish_free_their_place():
    async with serving({"sessions": {"max_sessions": 1}}) as (daemon, port):
        for _ in range(3):
            rude = socket.create_connection(("127.0.0.1", port))
            rude.sendall(SECOND)
            await until_metric(daemon.http, "wlkd_sessions_open", 1)
            # Reset instead of close.
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.close()
            await until_metric(daemon.http, "wlkd_sessions_open", 0)
        assert text_of(await talk(port, SECOND)) == " one two"


async def test_a_drain_delivers_what_was_received_and_says_why_it_ends():
    async with serving(close_timeout_seconds=0.5) as (daemon, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(SECOND * 4)
        await reader.readline()
        await until_metric(daemon.http, "wlkd_audio_received_seconds_total", 4)
        daemon.daemon.stop()
        async with asyncio.timeout(10):
            *words, error = [json.loads(line) for line in (await reader.read()).splitlines()]
        writer.close()
    assert text_of(words).endswith(" eight")
    assert error["error"]["code"] == "draining"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_tokens_that_no_client_could_send_are_a_mistake_of_the_configuration(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    with pytest.raises(ConfigError, match=r"transports\.tcp: raw TCP cannot carry a token"):
        async with listening({"auth": {"tokens_file": str(tokens)}}):
            raise AssertionError("started")


async def test_the_contract():
    async def client(port: int, audio: bytes) -> Told:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(audio)
            writer.write_eof()
            lines = [json.loads(line) for line in (await reader.read()).splitlines()]
        finally:
            writer.close()
        error = lines.pop()["error"] if lines and "error" in lines[-1] else None
        return Told("".join(line["text"] for line in lines).strip(), error and error["message"])

    await check_transport(lambda port: Tcp(TcpOptions(host="127.0.0.1", port=port, close_timeout_seconds=1)), client)
