"""Calls as Twilio, FreeSWITCH and Asterisk send them, message by message after their documentation."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wlkd_telephony import audiosocket, freeswitch, twilio
from wlkd_telephony.audiosocket_port import AudioSocketPort
from wlkd_telephony.calls import MAX_AWAITED, Calls, transcriptions
from wlkd_telephony.real_time import Raw
from wlkd_telephony.transport import Telephony, TelephonyOptions

from tests.waiting import metric, until
from wlkd import SessionError, Update, Word
from wlkd.contract.types import UNKNOWN_SPEAKER
from wlkd.daemon.listeners import HttpServer
from wlkd.testing import (
    MadeUpSession,
    MadeUpSessions,
    RunningDaemon,
    Told,
    check_transport,
    free_port,
    running_daemon,
)

SPOKEN = "one two three four five six"
START = {
    "event": "start",
    "sequenceNumber": "2",
    "start": {
        "streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0",
        "accountSid": "AC0123456789",
        "callSid": "CA0123456789",
        "tracks": ["inbound", "outbound"],
        "customParameters": {"language": "en"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
    "streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0",
}


@asynccontextmanager
async def serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
    values = {"vad": {"name": "none"}, "transports": {"telephony": options}, **(values or {})}
    async with running_daemon(values) as daemon:
        yield daemon


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[int, str]:
    """The final words of each channel, to the end of the call."""
    said: dict[int, str] = {}
    async with asyncio.timeout(20):
        async for message in socket:
            fields = json.loads(message.data)
            assert fields["type"] == "transcription", fields
            if fields["data"]["is_final"]:
                channel = fields["data"]["channel"]
                said[channel] = said.get(channel, "") + fields["data"]["text"]
    return {channel: text.strip() for channel, text in said.items()}


def media(track: str, audio: bytes, at: int = 5) -> dict[str, Any]:
    payload = base64.b64encode(audio).decode()
    return {"event": "media", "media": {"track": track, "chunk": "1", "timestamp": str(at), "payload": payload}}


async def test_twilio_and_an_application_that_listens_to_the_call() -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        listening = http.ws_connect(f"{daemon.ws}/telephony/calls/CA0123456789")
        async with listening as listener, http.ws_connect(f"{daemon.ws}/telephony/twilio") as caller:
            await caller.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
            await caller.send_json(START)
            for number in range(150):
                for track in ("inbound", "outbound"):
                    await caller.send_json(media(track, b"\xff" * 160))
                if number == 40:
                    await caller.send_json({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "1"}})
            await caller.send_json({"event": "stop", "stop": {"callSid": "CA0123456789"}})
            assert await heard(listener) == {0: SPOKEN, 1: SPOKEN}


async def test_twilio_brings_its_token_in_a_parameter(tmp_path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    values = {"auth": {"tokens_file": str(tokens)}}
    async with serving(values) as daemon, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{daemon.ws}/telephony/twilio") as caller:
            await caller.send_json(START)
            answer = await caller.receive_json(timeout=30)
            assert (answer["type"], answer["data"]["code"]) == ("error", "unauthorized")
        async with http.ws_connect(f"{daemon.ws}/telephony/twilio") as caller:
            start = {**START, "start": {**START["start"], "customParameters": {"token": "sesame"}}}  # type: ignore[dict-item]
            await caller.send_json(start)
            await caller.send_json({"event": "stop"})
            assert (await caller.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{daemon.ws}/telephony/calls/CA0123456789")


async def test_a_stranger_does_not_end_a_call_for_those_who_wait_for_it(tmp_path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    known = {**START, "start": {**START["start"], "customParameters": {"token": "sesame"}}}  # type: ignore[dict-item]
    async with (
        serving({"auth": {"tokens_file": str(tokens)}}) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/telephony/calls/CA0123456789?token=sesame") as listener,
    ):
        for start in (START, known):
            async with http.ws_connect(f"{daemon.ws}/telephony/twilio") as caller:
                await caller.send_json(start)
                for _ in range(150):
                    for track in ("inbound", "outbound"):
                        await caller.send_json(media(track, b"\xff" * 160))
                await caller.send_json({"event": "stop"})
                while (await caller.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
                    pass
        assert await heard(listener) == {0: SPOKEN, 1: SPOKEN}


@pytest.mark.parametrize("where", ["query", "first text"])
async def test_freeswitch_brings_its_token_in_the_query_or_the_first_text(where: str, tmp_path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")

    async def call(http: aiohttp.ClientSession, token: str) -> dict[str, Any]:
        query, text = (f"?token={token}", {}) if where == "query" else ("", {"token": token})
        async with http.ws_connect(f"{daemon.ws}/telephony/freeswitch{query}") as switch:
            await switch.send_json({"call": "c-7", **text})
            await switch.send_bytes(bytes(16_000))
            await switch.send_bytes(b"")
            told: dict[str, Any] = await switch.receive_json(timeout=30)
            return told

    async with serving({"auth": {"tokens_file": str(tokens)}}) as daemon, aiohttp.ClientSession() as http:
        assert (await call(http, "sesame"))["type"] == "transcription"
        if where == "query":
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await call(http, "wrong")
        else:
            assert (await call(http, "wrong"))["data"]["code"] == "unauthorized"
        assert await metric(daemon.http, "wlkd_sessions_refused_total", reason="unauthorized") == 1


async def test_what_an_application_tells_itself_by_parameters_is_no_wish() -> None:
    own = {"language": "en", "task": "support", "model": "X200", "numbers": "+15550100", "target_language": "tlh"}
    start = {**START, "start": {**START["start"], "customParameters": own}}  # type: ignore[dict-item]
    async with serving() as daemon, aiohttp.ClientSession() as http:
        listener = await http.ws_connect(f"{daemon.ws}/telephony/calls/CA0123456789")
        async with http.ws_connect(f"{daemon.ws}/telephony/twilio") as caller:
            await caller.send_json(start)
            await caller.send_json(media("inbound", b"\xff" * 24_000))
            await caller.send_json({"event": "stop"})
            assert (await heard(listener))[0] == SPOKEN


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[]",
        r'{"event": "\ud800"}',
        '{"event": 1}',
        '{"event": "media", "media": {"payload": "!"}}',
        '{"start": {}}',
    ],
)
def test_what_twilio_would_not_send(text: str) -> None:
    with pytest.raises(SessionError):
        twilio.parse(text)


def test_what_twilio_leaves_out_is_silence() -> None:
    tracks, heard = twilio.Tracks(twilio.TRACKS, Raw("mulaw", 8_000)), {"inbound": b"", "outbound": b""}

    def send(track: str, at: int, elapsed: float) -> None:
        event = twilio.parse(json.dumps(media(track, b"\x01" * 160, at)))
        assert isinstance(event, twilio.Media)
        for name, audio in tracks.take(event, elapsed):
            heard[name] += audio

    for at in (*range(0, 3000, 20), *range(5000, 6000, 20)):
        send("inbound", at, 60)
    send("outbound", 5980, 60)
    speech, silence = b"\x01" * 8, b"\xff" * 8  # 1 ms
    assert heard["inbound"] == speech * 3000 + silence * 2000 + speech * 1000
    # It began late, and that nobody spoke in it was told meanwhile.
    assert heard["outbound"][: 5480 * 8] == silence * 5480 and heard["outbound"].endswith(speech * 20)
    # No message brings more silence than time has passed.
    send("inbound", 3_600_000, 7)
    assert len(heard["inbound"]) == 7020 * 8


async def test_freeswitch_sends_metadata_first_and_takes_text_back() -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        address = f"{daemon.ws}/telephony/freeswitch?sample_rate=16k&mix=stereo"
        async with http.ws_connect(address, protocols=["audio.drachtio.org"]) as switch:
            assert switch.protocol == "audio.drachtio.org"
            await switch.send_str(json.dumps({"callId": "c-1", "language": "en", "other": {"a": 1}}))
            for _ in range(150):
                await switch.send_bytes(bytes(2 * 2 * 320))
            await switch.send_bytes(b"")
            assert await heard(switch) == {0: SPOKEN, 1: SPOKEN}


async def test_a_caller_who_hangs_up_is_heard_to_the_last_word() -> None:
    async with serving() as daemon, aiohttp.ClientSession() as http:
        listener = await http.ws_connect(f"{daemon.ws}/telephony/calls/c-2")
        async with http.ws_connect(f"{daemon.ws}/telephony/freeswitch?call=c-2") as switch:
            for _ in range(150):
                await switch.send_bytes(bytes(320))
        assert await heard(listener) == {0: SPOKEN}


async def test_a_switch_that_vanishes_behind_its_audio_leaves_the_last_words_to_the_listeners() -> None:
    def keep_waiting(session: MadeUpSession) -> None:
        session.takes.clear()

    port, sessions = free_port(), MadeUpSessions(keep_waiting)
    server, transport = HttpServer("127.0.0.1", port), Telephony(TelephonyOptions())
    await transport.start(sessions, server)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            listener = await http.ws_connect(f"ws://127.0.0.1:{port}/telephony/calls/c-4")
            switch = await connect(f"ws://127.0.0.1:{port}/telephony/freeswitch?call=c-4")
            for _ in range(3):
                await switch.send(bytes(320))
            await until(lambda: bool(sessions.opened))
            switch.transport.abort()
            await asyncio.sleep(0.1)
            [session] = sessions.opened
            for word in (Word(" hello", 0, 8_000), Word(" world", 8_000, 16_000)):
                session.says.put_nowait(Update(committed=(word,)))
            session.takes.set()
            assert await heard(listener) == {0: "hello world"}
            assert session.fed == [bytes(320)] * 3
    finally:
        await transport.close()
        await server.close()


def test_several_speakers_of_one_channel_stay_on_it() -> None:
    said = [Word(" hello", 0, 8_000, speaker=2, also_speaker=1), Word(" there", 8_000, 16_000, speaker=UNKNOWN_SPEAKER)]
    [message] = transcriptions(Update(committed=tuple(said)), "c-1", 1)
    assert (message["data"]["channel"], message["data"]["text"]) == (1, " hello there")
    first, second = message["data"]["words"]
    assert (first["speaker"], first["also_speaker"], second["speaker"]) == (2, 1, -1)
    [left, right] = transcriptions(Update(committed=(replace(said[0], speaker=1), said[0])), "c-1", apart=True)
    assert (left["data"]["channel"], right["data"]["channel"]) == (0, 1)
    assert "speaker" not in right["data"]["words"][0]


def test_words_that_wait_for_their_speaker_are_shown_before_the_tentative_ones() -> None:
    update = Update(waiting=(Word(" hello", 0, 8_000),), tentative=(Word(" there", 8_000, 16_000),))
    [message] = transcriptions(update, "c-1")
    assert (message["data"]["is_final"], message["data"]["text"]) == (False, " hello there")


def test_metadata_that_says_nothing() -> None:
    assert freeswitch.metadata("just text") == freeswitch.metadata("[1]") == {}
    assert freeswitch.opening({}, {}).offer.sample_rate == 8_000
    jambonz = freeswitch.metadata('{"sampleRate": 16000, "mixType": "stereo", "callId": "c-1", "direction": "inbound"}')
    stereo = freeswitch.opening({}, jambonz)
    assert (stereo.call, stereo.offer.sample_rate, stereo.offer.channels, stereo.channels) == ("c-1", 16_000, 2, 2)
    assert freeswitch.opening({}, {**jambonz, "mix": "mixed"}).channels is None
    # Each is a session, and a number of its own in the call.
    assert freeswitch.opening({"channels": "8"}, {}).channels == 8
    with pytest.raises(SessionError, match="at most 8"):
        freeswitch.opening({"channels": "100000000"}, {})


async def test_asterisk() -> None:
    port, call = free_port(), uuid.uuid4()
    async with serving(audiosocket_port=port) as daemon, aiohttp.ClientSession() as http:
        listening = http.ws_connect(f"{daemon.ws}/telephony/calls/{call}")
        async with listening as listener:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stream = b"\x01\x00\x10" + call.bytes + (b"\x10\x01\x40" + bytes(320)) * 150 + b"\x03\x00\x01" + b"5"
            for start in range(0, len(stream), 1001):
                writer.write(stream[start : start + 1001])
            writer.write(b"\x00\x00\x00")
            await writer.drain()
            assert await heard(listener) == {0: SPOKEN}
            writer.close()


def test_frames_are_cut_anywhere_and_other_rates_are_known() -> None:
    stream = b"\x01\x00\x10" + bytes(16) + b"\x12\x00\x04abcd" + b"\xff\x00\x01\x02"
    whole = [type(event).__name__ for event in audiosocket.Frames().feed(stream)]
    frames = audiosocket.Frames()
    bytewise = [event for place in range(len(stream)) for event in frames.feed(stream[place : place + 1])]
    assert whole == [type(event).__name__ for event in bytewise] == ["Identity", "Audio", "Hangup"]
    assert bytewise[1] == audiosocket.Audio(16_000, b"abcd")
    with pytest.raises(SessionError, match="0x47"):
        list(audiosocket.Frames().feed(b"GET / HTTP/1.1\r\n" + bytes(20_000)))


async def test_what_is_not_audiosocket_ends_its_own_connection_only() -> None:
    port = free_port()
    async with serving(audiosocket_port=port) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n" + bytes(70_000))
        assert await asyncio.wait_for(reader.read(), 5) == b"\x00\x00\x00"
        writer.close()
        assert await metric(daemon.http, "wlkd_sessions_refused_total", reason="bad_request") == 1


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_call_without_audio_is_not_turned_away(hangs_up: bool, caplog: pytest.LogCaptureFixture) -> None:
    sessions = MadeUpSessions()
    port = AudioSocketPort(sessions, Calls(), silent_seconds=5 if hangs_up else 0.05)
    bound = socket.create_server(("127.0.0.1", 0))
    await port.start(bound)
    try:
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(b"\x01\x00\x10" + bytes(16) + (b"\x00\x00\x00" if hangs_up else b""))
        with caplog.at_level(logging.INFO):
            assert await asyncio.wait_for(reader.read(), 5) == b"\x00\x00\x00"
        writer.close()
    finally:
        await port.close()
    assert sessions.counted == []
    assert ("the call has no audio" in caplog.text) is not hangs_up


async def test_calls_begin_however_many_are_waited_for() -> None:
    calls = Calls()
    with ExitStack() as listeners:
        for number in range(MAX_AWAITED):
            listeners.enter_context(calls.listened_to(f"c-{number}"))
        with pytest.raises(SessionError, match="too many calls"):
            listeners.enter_context(calls.listened_to("another"))
        async with calls.speaking("another") as (call, channel):
            assert (call.name, channel) == ("another", 0)


async def test_a_listener_with_a_wrong_token_is_no_client_turned_away(tmp_path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with serving({"auth": {"tokens_file": str(tokens)}}) as daemon, aiohttp.ClientSession() as http:
        async with http.get(f"{daemon.http}/telephony/calls/c-3") as answer:
            assert answer.status == 401
        assert await metric(daemon.http, "wlkd_sessions_refused_total") == 0
        async with http.get(f"{daemon.http}/telephony/asterisk") as answer:
            assert answer.status == 401
        assert await metric(daemon.http, "wlkd_sessions_refused_total") == 1


async def test_the_contract() -> None:
    async def talk(port: int, audio: bytes, door: str = "freeswitch", first: str | None = None) -> Told:
        text = ""
        try:
            async with connect(f"ws://127.0.0.1:{port}/telephony/{door}") as switch:
                if first is not None:
                    await switch.send(first)
                await switch.send(audio)
                await switch.send(b"")
                async for message in switch:
                    fields = json.loads(message)
                    if fields["type"] == "error":
                        return Told(text, fields["data"]["message"])
                    text += fields["data"]["text"] if fields["data"]["is_final"] else ""
        except InvalidStatus as error:
            return Told("", json.loads(error.response.body)["data"]["message"])
        return Told(text.strip())

    async def asterisk(port: int, audio: bytes) -> Told:
        async with connect(f"ws://127.0.0.1:{port}/telephony/asterisk") as switch:
            await switch.send("MEDIA_START")
            await switch.wait_closed()
        return Told("", switch.close_reason)

    mistaken = [
        partial(talk, door="freeswitch?sample_rate=fast"),
        partial(talk, door="twilio", first="hello"),
        asterisk,
    ]
    await check_transport(lambda port: Telephony(TelephonyOptions(close_timeout_seconds=1)), talk, *mistaken)
