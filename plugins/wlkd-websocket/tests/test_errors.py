"""Sessions on `/asr` that fail, are refused, or lose their client: what the client reads, and what was heard before."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from wlkd import Line, SessionError, SessionRefused, Update, Word

from .asr import HELLO, closing


async def test_text_is_refused(rig):
    built = await rig()
    socket, session = await built.open()
    await socket.send_str('{"type": "start"}')
    error, code, _ = await closing(socket)
    assert (error["code"], code) == ("bad_request", 1008)
    await asyncio.wait_for(session.closed.wait(), 5)


async def test_undecodable_audio_ends_only_its_own_session(rig):
    built = await rig()
    good, good_session = await built.open()
    bad, _ = await built.open()
    await bad.send_bytes(b"rubbish")
    error, code, reason = await closing(bad)
    assert (error["code"], code, reason) == ("undecodable_audio", 1008, "this is not audio")
    good_session.says.put_nowait(HELLO)
    assert (await good.receive_json(timeout=30))["lines"]


@pytest.mark.parametrize(
    ("code", "close_code"),
    [("backend_failed", 1011), ("too_slow", 1013), ("idle_timeout", 1008), ("draining", 1013)],
)
async def test_a_failed_session_tells_its_client(rig, code, close_code):
    socket, session = await (await rig()).open()
    message = "für alle Fälle " * 20
    session.fail(SessionError(code, message))
    error, closed_with, reason = await closing(socket)
    assert (error["code"], error["message"], closed_with) == (code, message, close_code)
    assert message.startswith(reason) and 120 <= len(reason.encode()) <= 123


async def test_a_defect_is_logged_and_not_told(rig, caplog):
    socket, session = await (await rig()).open()
    session.says.put_nowait(object())
    error, code, _ = await closing(socket)
    assert (error["code"], code) == ("internal", 1011)
    assert "AttributeError" in caplog.text and "AttributeError" not in error["message"]


async def test_a_message_that_is_too_big_is_refused_before_it_is_held(rig):
    socket, session = await (await rig(max_message_bytes=1024)).open()
    await socket.send_bytes(b"\0" * 4096)
    error, code, reason = await closing(socket)
    assert (error["code"], code, reason) == ("message_too_big", 1009, error["message"])
    assert "larger than the 1024 bytes" in reason
    assert session.fed == []


async def test_a_message_may_be_as_big_as_the_limit(rig):
    socket, session = await (await rig(max_message_bytes=1024)).open()
    await socket.send_bytes(b"\0" * 1024)
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert session.fed == [b"\0" * 1024]


async def test_a_client_that_disappears_ends_its_session_quietly(rig, caplog):
    built = await rig()
    socket, session = await built.open()
    await socket.send_bytes(b"audio")
    socket._response.connection.transport.abort()
    await asyncio.wait_for(session.closed.wait(), 5)
    assert not session.finished
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_a_client_that_does_not_read_is_dropped(rig):
    built = await rig(send_timeout_seconds=0.1, close_timeout_seconds=0.1)
    socket, session = await built.open()
    socket._response.connection.transport.pause_reading()
    huge = Update(lines=(Line(0, 1, (Word("x" * 4_000_000, 0, 1),)),))
    for _ in range(8):
        session.says.put_nowait(huge)
    await asyncio.wait_for(session.closed.wait(), 5)
    socket._response.connection.transport.abort()


async def test_words_before_the_bad_piece_are_delivered(rig):
    socket, session = await (await rig()).open()
    session.says.put_nowait(HELLO)
    await socket.send_bytes(b"rubbish")
    assert (await socket.receive_json(timeout=30))["lines"]
    error, code, _ = await closing(socket)
    assert (error["code"], code) == ("undecodable_audio", 1008)


async def test_a_drained_session_delivers_and_says_why_it_ends(rig):
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"audio")
    session.says.put_nowait(HELLO)
    session.says.put_nowait(SessionError("draining", "the server is shutting down"))
    assert (await socket.receive_json(timeout=30))["lines"]
    error, code, _ = await closing(socket)
    assert (error["code"], code) == ("draining", 1013)


@pytest.mark.parametrize(
    ("refusal", "status", "headers"),
    [
        (SessionRefused("server_full", "all 8 places are taken", 5), 503, {"Retry-After": "5"}),
        (SessionRefused("draining", "the server is stopping", 30), 503, {"Retry-After": "30"}),
        (SessionRefused("unauthorized", "a token is needed"), 401, {"WWW-Authenticate": "Bearer"}),
    ],
)
async def test_a_refusal_comes_as_an_http_status(rig, refusal, status, headers):
    built = await rig()
    built.sessions.refused = refusal
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await built.connect()
    assert refused.value.status == status
    assert built.sessions.counted == [refusal]
    response = await built.client.get("/asr")
    assert response.status == status
    assert headers.items() <= dict(response.headers).items()
    told = {"type": "error", "code": refusal.code, "message": refusal.message, "error": refusal.message}
    assert await response.json() == told
    assert built.sessions.counted == [refusal], "who asks why is not turned away once more"
