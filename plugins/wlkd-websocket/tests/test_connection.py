"""The conversation on /asr, message by message, over a real socket."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import aiohttp
import pytest
from aiohttp import WSMsgType
from wlkd_websocket.connection import AT_ONCE_SECONDS, GRACE_SECONDS
from wlkd_websocket.transport import WebSocket, WebSocketOptions

from wlkd import Line, SessionError, SessionRefused, StreamOffer, Update, Word
from wlkd.testing import Told, check_transport

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
    error = await socket.receive_json(timeout=5)
    assert error["type"] == "error"
    end = await socket.receive(timeout=5)
    assert end.type is WSMsgType.CLOSE
    return error, end.data, end.extra


async def test_a_client_of_the_old_service_sees_what_it_always_saw(rig):
    socket, session = await (await rig()).open()
    assert session.info.offer == StreamOffer()
    await socket.send_bytes(b"\x1a\x45")
    await socket.send_bytes(b"\xdf\xa3")
    session.says.put_nowait(HELLO)
    update = await socket.receive_json(timeout=5)
    kept = {key: update[key] for key in list(update) if key not in ADDED}
    assert kept == {
        "type": "transcript_update",
        "status": "active_transcription",
        "lines": [
            {
                "speaker": 1,
                "text": " Hello",
                "start": "0:00:00",
                "end": "0:00:01",
                "start_seconds": 0.0,
                "end_seconds": 1.5,
                "detected_language": "en",
            }
        ],
        "buffer_transcription": " wor",
        "buffer_diarization": "",
        "buffer_translation": "",
        "remaining_time_transcription": 0.6,
        "remaining_time_diarization": 0.0,
    }
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert (session.fed, session.finished) == ([b"\x1a\x45", b"\xdf\xa3"], True)
    assert await socket.close()
    assert socket.close_code == 1000


ADDED = {"new_words", "language", "received_seconds", "final", "remaining_time_translation"}


async def test_added_fields_carry_times_and_confidence(rig):
    socket, session = await (await rig()).open("?words=true")
    session.says.put_nowait(HELLO)
    update = await socket.receive_json(timeout=5)
    word = {"text": " Hello", "start": 0.2, "end": 1.0, "confidence": 0.913}
    assert update["new_words"] == [word]
    assert update["lines"][0]["words"] == [word]
    assert (update["language"], update["received_seconds"], update["final"]) == ("en", 2.0, False)


async def test_status_says_whether_speech_was_heard(rig):
    socket, session = await (await rig()).open()
    session.says.put_nowait(Update(received=16_000))
    update = await socket.receive_json(timeout=5)
    assert (update["status"], update["lines"]) == ("no_audio_detected", [])


async def test_silence_is_a_line_without_text(rig):
    socket, session = await (await rig()).open()
    session.says.put_nowait(Update(lines=(Line(0, 16_000 * 3_725),)))
    line = (await socket.receive_json(timeout=5))["lines"][0]
    assert (line["speaker"], line["text"], line["end"]) == (-2, "", "1:02:05")


@pytest.mark.parametrize(
    ("options", "query", "offer", "worklet"),
    [
        ({}, "", StreamOffer(), False),
        ({"input": "pcm"}, "", StreamOffer(None, "s16le", 16_000, 1), True),
        ({"input": "pcm"}, "?format=container", StreamOffer(), False),
        ({}, "?format=pcm", StreamOffer(None, "s16le", 16_000, 1), True),
        ({}, "?format=mulaw&sample_rate=8000", StreamOffer(None, "mulaw", 8_000, 1), False),
        ({}, "?format=s16le&sample_rate=48000&channels=2", StreamOffer(None, "s16le", 48_000, 2), False),
        ({}, "?format=s24be", StreamOffer(None, "s24be", 16_000, 1), False),
    ],
)
async def test_the_format_comes_from_the_query_or_the_options(rig, options, query, offer, worklet):
    built = await rig(**options)
    socket = await built.connect(query)
    assert await socket.receive_json(timeout=5) == {"type": "config", "useAudioWorklet": worklet, "ping": True}
    assert built.sessions.opened[0].info.offer == offer


async def test_wishes_reach_the_session_and_what_is_the_transport_s_own_does_not(rig):
    socket, session = await (await rig()).open(
        "?language=zh&task=translate&initial_prompt=a&static_prompt=b&hotwords=c,d&replace=e:f&words=1&token=secret"
    )
    assert session.query == {
        "language": "zh",
        "task": "translate",
        "initial_prompt": "a",
        "static_prompt": "b",
        "hotwords": "c,d",
        "replace": "e:f",
    }
    assert session.token == "secret"
    await socket.close()


async def test_a_token_in_the_header_counts_before_the_query(rig):
    built = await rig()
    socket = await built.connect("?token=query", headers={"Authorization": "Bearer header"})
    assert (await socket.receive_json(timeout=5))["type"] == "config"
    assert built.sessions.opened[0].token == "header"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?mode=fast", "mode=fast: unknown; known: full, diff"),
        ("?format=s16le&sample_rate=fast", "sample_rate=fast"),
        ("?format=s16le&sample_rate=0", "sample_rate=0"),
        ("?format=s16le&channels=²", "channels=²"),
        ("?sample_rate=8000", "sample_rate"),
        ("?words=maybe", "words=maybe"),
    ],
)
async def test_a_bad_wish_is_answered_in_words(rig, query, names):
    socket = await (await rig()).connect(query)
    error, code, reason = await closing(socket)
    assert (error["code"], code) == ("bad_request", 1008)
    assert names in error["message"]
    assert reason == error["message"]


async def test_a_page_can_ask_whether_the_server_is_there(rig):
    socket, session = await (await rig()).open()
    await socket.send_str("ping")
    assert await socket.receive_json(timeout=5) == {"type": "pong"}
    await socket.send_bytes(b"sound")
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == [b"sound"]


async def test_a_page_can_ask_while_its_last_words_are_to_come(rig):
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"sound")
    await asyncio.sleep(2 * AT_ONCE_SECONDS)
    session.finished = True  # its words take a while: finish() ends nothing yet
    await socket.send_bytes(b"")
    # While a last piece may come, and after that.
    for pause in (0, 2 * GRACE_SECONDS):
        await asyncio.sleep(pause)
        await socket.send_str("ping")
        assert await socket.receive_json(timeout=5) == {"type": "pong"}
    session.says.put_nowait(None)
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == [b"sound"]


async def test_the_recorders_last_piece_may_come_after_the_end(rig):
    """Pages written from an old example stop the recorder, send the end, and get the last piece only then."""
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"sound")
    await asyncio.sleep(2 * AT_ONCE_SECONDS)  # the recorder is in the middle of a piece
    await socket.send_bytes(b"")
    await socket.send_bytes(b"last piece")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == [b"sound", b"last piece"]


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
    assert (await good.receive_json(timeout=5))["lines"]


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
    assert session.fed == []


async def test_a_message_may_be_as_big_as_the_limit(rig):
    socket, session = await (await rig(max_message_bytes=1024)).open()
    await socket.send_bytes(b"\0" * 1024)
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == [b"\0" * 1024]


async def test_a_client_that_disappears_ends_its_session_quietly(rig, caplog):
    built = await rig()
    socket, session = await built.open()
    await socket.send_bytes(b"audio")
    socket._response.connection.transport.abort()
    await asyncio.wait_for(session.closed.wait(), 5)
    assert not session.finished
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_what_comes_after_the_end_is_ignored(rig):
    built = await rig()
    socket, session = await built.open()
    for data in (b"audio", b"", b"late", b""):
        await socket.send_bytes(data)
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    await socket.close()
    await asyncio.wait_for(session.closed.wait(), 5)
    assert session.fed == [b"audio"]


async def test_a_client_that_never_closes_is_closed(rig):
    socket, _ = await (await rig(close_timeout_seconds=0.05)).open()
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    end = await socket.receive(timeout=5)
    assert (end.type, end.data) == (WSMsgType.CLOSE, 1000)


async def test_the_place_is_free_when_a_client_reads_that_it_is_done(rig):
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.closed.is_set()
    await socket.close()


async def test_a_busy_session_slows_its_client_and_loses_nothing(rig):
    built = await rig(ping_interval_seconds=0.02)
    socket, session = await built.open()
    session.takes.clear()
    pieces = [bytes([number]) * 100_000 for number in range(1, 41)]
    sending = asyncio.create_task(send_all(socket, pieces))
    await asyncio.sleep(0.2)
    # Ten pings have gone unanswered by now: being slow to take audio must not cost the connection.
    assert not session.fed and not session.closed.is_set()
    session.takes.set()
    await sending
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == pieces


async def test_a_ping_does_not_wait_behind_audio(rig):
    """Python's websockets closes a connection that does not answer within 20 s."""
    built = await rig()
    socket = await built.connect(autoping=False)
    assert [(await socket.receive_json(timeout=5))["type"] for _ in range(2)] == ["config", "transcript_update"]
    session = built.sessions.opened[-1]
    session.takes.clear()
    pieces = [bytes([number]) * 100_000 for number in range(1, 41)]
    await send_all(socket, pieces)
    await socket.ping(b"there?")
    pong = await socket.receive(timeout=5)
    assert (pong.type, pong.data, session.fed) == (WSMsgType.PONG, b"there?", [])
    session.takes.set()
    assert await socket.receive_json(timeout=5) == {"type": "ready_to_stop"}
    assert session.fed == pieces


async def test_no_more_is_read_ahead_than_a_message_may_have(rig):
    socket, session = await (await rig(max_message_bytes=100_000)).open()
    session.takes.clear()
    pieces = [bytes(100_000)] * 400  # more than sockets hold
    sending = asyncio.create_task(send_all(socket, pieces))
    done, _ = await asyncio.wait({sending}, timeout=1)
    assert not done
    session.takes.set()
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert session.fed == pieces


async def send_all(socket, pieces):
    for piece in pieces:
        await socket.send_bytes(piece)
    await socket.send_bytes(b"")


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
    assert (await socket.receive_json(timeout=5))["lines"]
    error, code, _ = await closing(socket)
    assert (error["code"], code) == ("undecodable_audio", 1008)


async def test_a_drained_session_delivers_and_says_why_it_ends(rig):
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"audio")
    session.says.put_nowait(HELLO)
    session.says.put_nowait(SessionError("draining", "the server is shutting down"))
    assert (await socket.receive_json(timeout=5))["lines"]
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


async def test_a_plain_get_is_told_what_this_is(rig):
    response = await (await rig()).client.get("/asr")
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
    assert "ws://" in (await response.json())["message"]


async def test_diff_mode_says_so_and_numbers_its_messages(rig):
    built = await rig()
    socket = await built.connect("?mode=diff")
    assert await socket.receive_json(timeout=5) == {
        "type": "config",
        "useAudioWorklet": False,
        "ping": True,
        "mode": "diff",
    }
    built.sessions.opened[0].says.put_nowait(HELLO)
    snapshot = await socket.receive_json(timeout=5)
    assert (snapshot["type"], snapshot["seq"], snapshot["lines"]) == ("snapshot", 1, [])
    first = await socket.receive_json(timeout=5)
    assert (first["type"], first["seq"], first["n_lines"], len(first["new_lines"])) == ("diff", 2, 1, 1)
    built.sessions.opened[0].says.put_nowait(HELLO)
    second = json.loads((await socket.receive(timeout=5)).data)
    assert (second["type"], second["seq"], second["n_lines"]) == ("diff", 3, 1)
    assert not {"lines", "lines_pruned", "new_lines"} & set(second)


@pytest.mark.parametrize("mode", ["full", "diff"])
async def test_the_contract(mode):
    async def talk(port: int, audio: bytes, query: str = f"mode={mode}") -> Told:
        text = ""
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(f"ws://127.0.0.1:{port}/asr?{query}") as socket:
                    await socket.send_bytes(audio)
                    await socket.send_bytes(b"")
                    async for raw in socket:
                        message = raw.json()
                        if message["type"] in ("error", "moving"):
                            return Told(text, message["message"])
                        if message["type"] == "ready_to_stop":
                            return Told(text)
                        text = (text + "".join(word["text"] for word in message.get("new_words", ()))).lstrip()
            except aiohttp.WSServerHandshakeError:
                # A page asks again by plain GET.
                async with http.get(f"http://127.0.0.1:{port}/asr") as answer:
                    return Told("", (await answer.json())["message"])
        raise AssertionError("the connection ended without a word")

    mistaken = [
        partial(talk, query=query)
        for query in ("mode=half", "resume=continue", "multichannel=1&format=pcm&target_language=de")
    ]
    await check_transport(lambda port: WebSocket(WebSocketOptions(close_timeout_seconds=1)), talk, *mistaken)
