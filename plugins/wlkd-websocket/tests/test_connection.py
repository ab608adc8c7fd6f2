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

from wlkd import Line, StreamOffer, Update
from wlkd.testing import Told, check_transport

from .asr import HELLO


async def test_a_client_of_the_old_service_sees_what_it_always_saw(rig):
    socket, session = await (await rig()).open()
    assert session.info.offer == StreamOffer()
    await socket.send_bytes(b"\x1a\x45")
    await socket.send_bytes(b"\xdf\xa3")
    session.says.put_nowait(HELLO)
    update = await socket.receive_json(timeout=30)
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
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert (session.fed, session.finished) == ([b"\x1a\x45", b"\xdf\xa3"], True)
    assert await socket.close()
    assert socket.close_code == 1000


ADDED = {"new_words", "language", "received_seconds", "final", "remaining_time_translation"}


async def test_added_fields_carry_times_and_confidence(rig):
    socket, session = await (await rig()).open("?words=true")
    session.says.put_nowait(HELLO)
    update = await socket.receive_json(timeout=30)
    word = {"text": " Hello", "start": 0.2, "end": 1.0, "confidence": 0.913}
    assert update["new_words"] == [word]
    assert update["lines"][0]["words"] == [word]
    assert (update["language"], update["received_seconds"], update["final"]) == ("en", 2.0, False)


async def test_status_says_whether_speech_was_heard(rig):
    socket, session = await (await rig()).open()
    session.says.put_nowait(Update(received=16_000))
    update = await socket.receive_json(timeout=30)
    assert (update["status"], update["lines"]) == ("no_audio_detected", [])


async def test_silence_is_a_line_without_text(rig):
    socket, session = await (await rig()).open()
    session.says.put_nowait(Update(lines=(Line(0, 16_000 * 3_725),)))
    line = (await socket.receive_json(timeout=30))["lines"][0]
    assert (line["speaker"], line["text"], line["end"]) == (-2, "", "1:02:05")


async def test_a_page_can_ask_whether_the_server_is_there(rig):
    socket, session = await (await rig()).open()
    await socket.send_str("ping")
    assert await socket.receive_json(timeout=30) == {"type": "pong"}
    await socket.send_bytes(b"sound")
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
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
        assert await socket.receive_json(timeout=30) == {"type": "pong"}
    session.says.put_nowait(None)
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert session.fed == [b"sound"]


async def test_the_recorders_last_piece_may_come_after_the_end(rig):
    """Pages written from an old example stop the recorder, send the end, and get the last piece only then."""
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"sound")
    await asyncio.sleep(2 * AT_ONCE_SECONDS)  # the recorder is in the middle of a piece
    await socket.send_bytes(b"")
    await socket.send_bytes(b"last piece")
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert session.fed == [b"sound", b"last piece"]


async def test_what_comes_after_the_end_is_ignored(rig):
    built = await rig()
    socket, session = await built.open()
    for data in (b"audio", b"", b"late", b""):
        await socket.send_bytes(data)
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    await socket.close()
    await asyncio.wait_for(session.closed.wait(), 5)
    assert session.fed == [b"audio"]


async def test_a_client_that_never_closes_is_closed(rig):
    socket, _ = await (await rig(close_timeout_seconds=0.05)).open()
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    end = await socket.receive(timeout=30)
    assert (end.type, end.data) == (WSMsgType.CLOSE, 1000)


async def test_the_place_is_free_when_a_client_reads_that_it_is_done(rig):
    socket, session = await (await rig()).open()
    await socket.send_bytes(b"")
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
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
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
    assert session.fed == pieces


async def test_a_ping_does_not_wait_behind_audio(rig):
    """Python's websockets closes a connection that does not answer within 20 s."""
    built = await rig()
    socket = await built.connect(autoping=False)
    assert [(await socket.receive_json(timeout=30))["type"] for _ in range(2)] == ["config", "transcript_update"]
    session = built.sessions.opened[-1]
    session.takes.clear()
    pieces = [bytes([number]) * 100_000 for number in range(1, 41)]
    await send_all(socket, pieces)
    await socket.ping(b"there?")
    pong = await socket.receive(timeout=30)
    assert (pong.type, pong.data, session.fed) == (WSMsgType.PONG, b"there?", [])
    session.takes.set()
    assert await socket.receive_json(timeout=30) == {"type": "ready_to_stop"}
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


async def test_a_plain_get_is_told_what_this_is(rig):
    response = await (await rig()).client.get("/asr")
    assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
    assert "ws://" in (await response.json())["message"]


async def test_diff_mode_says_so_and_numbers_its_messages(rig):
    built = await rig()
    socket = await built.connect("?mode=diff")
    assert await socket.receive_json(timeout=30) == {
        "type": "config",
        "useAudioWorklet": False,
        "ping": True,
        "mode": "diff",
    }
    built.sessions.opened[0].says.put_nowait(HELLO)
    snapshot = await socket.receive_json(timeout=30)
    assert (snapshot["type"], snapshot["seq"], snapshot["lines"]) == ("snapshot", 1, [])
    first = await socket.receive_json(timeout=30)
    assert (first["type"], first["seq"], first["n_lines"], len(first["new_lines"])) == ("diff", 2, 1, 1)
    built.sessions.opened[0].says.put_nowait(HELLO)
    second = json.loads((await socket.receive(timeout=30)).data)
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
