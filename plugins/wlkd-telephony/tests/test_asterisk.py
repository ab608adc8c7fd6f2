"""What Asterisk 22.10 sent, byte for byte, while it played a tone of 0.16 s and the digit 5 into a call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from wlkd_telephony import asterisk, audiosocket
from wlkd_telephony.real_time import Raw, in_real_time

from wlkd import SessionError
from wlkd.testing import RunningDaemon, free_port, running_daemon

CAPTURES = Path(__file__).parent / "captures"
AUDIOSOCKET = (CAPTURES / "asterisk-22.10-audiosocket.bin").read_bytes()
CALL = "/telephony/calls/11111111-2222-4333-8444-000000000071"
"""Where to listen to the call in `AUDIOSOCKET`."""
SPOKEN = "one two three four five six"


def daemon_for(port: int, **sessions: object):
    transports = {"telephony": {"audiosocket_port": port}}
    return running_daemon({"vad": {"name": "none"}, "sessions": sessions, "transports": transports})


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, aiohttp.ClientWebSocketResponse]]:
    """A daemon's AudioSocket port, and a listener of `CALL`."""
    port = free_port()
    async with (
        daemon_for(port) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}{CALL}") as listener,
    ):
        yield port, listener


async def listened(socket: aiohttp.ClientWebSocketResponse) -> list[dict]:
    """All messages but the tentative ones, to the end of the call."""
    async with asyncio.timeout(10):
        told = [json.loads(message.data) async for message in socket]
    return [message for message in told if message["data"].get("is_final", True)]


def words(told: list[dict], channel: int = 0) -> str:
    return "".join(each["data"]["text"] for each in told if each["data"]["channel"] == channel).strip()


@pytest.mark.parametrize(("name", "rate", "length"), [("audiosocket", 8_000, 320), ("audiosocket-slin16", 16_000, 640)])
def test_audiosocket(name: str, rate: int, length: int) -> None:
    events = list(audiosocket.Frames().feed((CAPTURES / f"asterisk-22.10-{name}.bin").read_bytes()))
    identity, *audio = events
    assert isinstance(identity, audiosocket.Identity)
    assert identity.call.startswith("11111111-2222-4333-8444-")
    assert {(each.rate, len(each.samples)) for each in audio if isinstance(each, audiosocket.Audio)} == {(rate, length)}
    assert len(audio) >= 7  # and not the digit


async def test_as_much_silence_goes_back_as_audio_comes() -> None:
    port = free_port()
    async with daemon_for(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(AUDIOSOCKET)
        writer.write_eof()
        frame = b"\x10\x01\x40" + bytes(320)
        assert await asyncio.wait_for(reader.read(), 5) == 7 * frame + b"\x00\x00\x00"
        writer.close()


async def test_asterisk_hears_something_while_a_phone_is_muted() -> None:
    port = free_port()
    async with daemon_for(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(AUDIOSOCKET[:19])
        async with asyncio.timeout(1.9):  # Asterisk hangs up after 2 s
            assert await reader.readexactly(323) == audiosocket.SILENCE
        writer.close()


async def test_a_refused_call_goes_on_without_us_and_its_listeners_know_why() -> None:
    """Asterisk drops a call whose connection is reset, which closing it with audio unread may do."""
    port = free_port()
    async with daemon_for(port, max_sessions=1) as daemon, aiohttp.ClientSession() as http:
        _, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"\x01\x00\x10" + bytes(16) + AUDIOSOCKET[19:])
        async with http.ws_connect(f"{daemon.ws}{CALL}") as listener:
            reader, second = await asyncio.open_connection("127.0.0.1", port)
            second.write(AUDIOSOCKET)
            (told,) = await listened(listener)
            assert (told["type"], told["data"]["code"]) == ("error", "server_full")
            while len(got := await asyncio.wait_for(reader.read(), 5)) > 3:
                second.write(AUDIOSOCKET[19:])
            assert got.endswith(b"\x00\x00\x00") or not got
            second.write(AUDIOSOCKET[19:])
            await second.drain()
            second.close()
        first.close()


def frames(capture: bytes) -> tuple[bytes, list[bytes]]:
    """A WebSocket client's handshake and its frames."""
    handshake, _, rest = capture.partition(b"\r\n\r\n")
    found = []
    while rest:
        short = rest[1] & 0x7F
        length = 2 + 4 + short if short < 126 else 4 + 4 + int.from_bytes(rest[2:4], "big")
        found.append(rest[:length])
        rest = rest[length:]
    return handshake + b"\r\n\r\n", found


@pytest.mark.parametrize(("name", "call"), [("slin16", "11111111-2222-4333-8444-000000000072"), ("ulaw-json", "573")])
async def test_media_over_websocket(name: str, call: str) -> None:
    handshake, (start, *media, digit, close) = frames((CAPTURES / f"asterisk-22.10-websocket-{name}.bin").read_bytes())
    async with (
        running_daemon({"vad": {"name": "none"}, "transports": {"telephony": {}}}) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/telephony/calls/{call}") as listener,
    ):
        answer = await replayed(daemon, handshake + start + b"".join(media) * 19 + digit + close)
        assert words(await listened(listener)).startswith(SPOKEN)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol: media" in head
    assert rest == b"\x88\x02\x03\xe8"  # closed as asked, and no text: Asterisk would warn about each


async def replayed(daemon: RunningDaemon, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_two_connections_of_one_call_are_its_sides() -> None:
    port = free_port()
    async with daemon_for(port) as daemon, aiohttp.ClientSession() as http:
        for _ in range(2):  # a name that is used again is another call
            async with http.ws_connect(f"{daemon.ws}{CALL}") as listener:
                lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
                for reader, writer in lines:
                    writer.write(AUDIOSOCKET[:-4] + AUDIOSOCKET[19:-4] * 20)
                    await reader.readexactly(323)
                for _, writer in lines:
                    writer.write_eof()
                told = await listened(listener)
                assert words(told, 0).startswith(SPOKEN)
                assert words(told, 1).startswith(SPOKEN)
                for _, writer in lines:
                    writer.close()


@pytest.mark.parametrize("text", ["", "hello", "MEDIA_START", "DTMF_END digit:1", "{", '{"event": "MEDIA_START"}'])
def test_what_chan_websocket_would_not_send(text: str) -> None:
    with pytest.raises(SessionError, match="chan_websocket"):
        asterisk.started(text)


def test_a_format_that_is_not_known() -> None:
    with pytest.raises(SessionError, match=r"c\(slin16\)"):
        asterisk.started("MEDIA_START channel_id:1 format:g722").raw()


async def test_silence_stands_where_a_phone_sent_nothing() -> None:
    silent = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a" * 160
        await silent.wait()
        yield b"b" * 160

    loop = asyncio.get_running_loop()
    began = loop.time() - 2
    heard = b""
    async with aclosing(in_real_time(pieces(), Raw("mulaw", 8_000), began)) as stream:
        async for piece in stream:
            heard += piece
            if b"a" in heard and heard.endswith(b"\xff"):
                silent.set()
    before, between = heard.index(b"a"), heard.index(b"b") - heard.rindex(b"a") - 1
    assert 16_000 <= before < 24_000
    assert between >= 0.5 * 8_000 - 160
    assert len(heard) <= (loop.time() - began) * 8_000 + 320
    assert set(heard) == set(b"ab\xff")


async def test_audio_that_came_before_the_connection_was_lost_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    async with listening() as (port, listener):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(AUDIOSOCKET + AUDIOSOCKET[19:-4] * 100)
        await writer.drain()
        writer.transport.abort()
        assert len(words(await listened(listener)).split()) >= 28
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_asterisk_hangs_up_after_it_has_read_all(caplog: pytest.LogCaptureFixture) -> None:
    """Our farewell then resets the connection."""
    caplog.set_level("WARNING")
    async with listening() as (port, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(AUDIOSOCKET)
        await reader.readexactly(7 * 323)
        writer.close()
        assert words(await listened(listener)).startswith("one")
    assert [record for record in caplog.records if record.name == "asyncio"] == []
