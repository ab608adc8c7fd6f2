"""Mistakes of the realtime API's clients: each is told with its field; one event too big ends it all."""

from __future__ import annotations

import base64
import json

from tests.waiting import until_metric

from .realtime import COMPLETED, SECOND, raw

BAD = [
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    ({"type": "input_audio_buffer.append", "audio": "not base64!"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append"}, "invalid_value", "audio"),
    ({"type": "response.create"}, "unsupported", None),
    ({"type": "make.coffee"}, "invalid_event", "type"),
    ({"kind": "none"}, "invalid_event", "type"),
    ({"type": "session.update"}, "invalid_type", "session"),
    ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
    ({"type": "session.update", "session": {"voice": "alloy"}}, "unknown_parameter", "session.voice"),
    (
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/opus"}}}}},
        "invalid_value",
        "session.audio.input.format.type",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": "fast"}}}}},
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"format": 7}}}},
        "invalid_value",
        "session.audio.input.format",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"transcription": {"language": "tlh"}}}}},
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    (
        {"type": "transcription_session.update", "session": {"input_audio_format": "mp3"}},
        "invalid_value",
        "session.input_audio_format",
    ),
    (
        {"type": "transcription_session.update", "session": {"turn_detection": {"threshold": 7}}},
        "invalid_value",
        "session.turn_detection.threshold",
    ),
    (
        {"type": "transcription_session.update", "session": {"input_audio_transcription": {"language": "tlh"}}},
        "invalid_value",
        "session.input_audio_transcription.language",
    ),
]


async def test_mistakes_are_told_and_the_conversation_goes_on(serving, says):
    async with serving() as daemon, raw(daemon) as socket:
        await socket.receive_json(timeout=30)
        for number, (event, code, param) in enumerate(BAD):
            await socket.send_json({**event, "event_id": f"mine-{number}"})
            answer = await socket.receive_json(timeout=30)
            error = answer["error"]
            assert (answer["type"], error["type"]) == ("error", "invalid_request_error")
            assert (error["code"], error["param"], error["event_id"]) == (code, param, f"mine-{number}")
        for text in ("{", "[]", "[" * 50_000, r'{"type": "nonsense", "event_id": "\ud800"}'):
            await socket.send_str(text)
            assert (await socket.receive_json(timeout=30))["error"]["code"] == "invalid_json"
        await socket.send_bytes(b"audio")
        assert (await socket.receive_json(timeout=30))["error"]["code"] == "invalid_event"
        audio = base64.b64encode(SECOND["audio/pcm"]).decode()
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await socket.send_json({"type": "input_audio_buffer.commit"})
        while (event := await socket.receive_json(timeout=30))["type"] != COMPLETED:
            pass
        assert event["transcript"] == says(1)


async def test_answers_are_json_whatever_an_event_says(serving):
    def no_json(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    async with serving() as daemon, raw(daemon) as socket:
        await socket.receive_json(timeout=30)
        change = '{"type": "session.update", "session": {"audio": {"input": {"noise_reduction": {"type": %s}}}}}'
        for text, code in (
            ('{"type": "nonsense", "event_id": 1e999}', "invalid_event"),
            ('{"type": "nonsense", "event_id": NaN}', "invalid_json"),
            (change % "1e999", "invalid_value"),
            (change % ("[" * 900 + "]" * 900), "invalid_json"),
        ):
            await socket.send_str(text)
            answer = json.loads(await socket.receive_str(timeout=30), parse_constant=no_json)
            assert (answer["type"], answer["error"]["code"]) == ("error", code)


async def test_an_event_too_big_closes_with_the_reason(serving):
    async with serving(max_message_bytes=65_536) as daemon, raw(daemon) as socket:
        await socket.receive_json(timeout=30)
        audio = base64.b64encode(SECOND["audio/pcm"][:1000]).decode()
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await socket.send_str("x" * 65_537)
        event = await socket.receive_json(timeout=30)
        assert (event["type"], event["error"]["code"]) == ("error", "message_too_big")
        await until_metric(daemon.http, "wlkd_sessions_closed_total", 1, reason="message_too_big")
        closing = await socket.receive(timeout=30)
        assert (closing.data, "smaller" in closing.extra) == (1009, True)
