"""The realtime API through the `openai` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import base64
import json

import aiohttp
import numpy as np
import openai
import pytest
import soundfile
import soxr
from websockets.exceptions import InvalidStatus
from wlkd_openai.transport import OpenAI, OpenAIOptions

from tests.waiting import metric, until
from wlkd.testing import Told, check_transport

from .realtime import COMPLETED, DELTA, MANUAL, SECOND, append, connected, raw, receive, transcript

FAILED = "conversation.item.input_audio_transcription.failed"
CLIP = "en_librispeech_test_clean/1089-134686-0005.flac"


@pytest.mark.parametrize("format", ["audio/pcm", "audio/pcmu", "audio/pcma"])
async def test_the_client_commits_its_turns(serving, says, format):
    rate = {"rate": 24_000} if format == "audio/pcm" else {}
    session = {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": format, **rate},
                "transcription": {"model": "gpt-4o-transcribe", "language": "de", "prompt": "Numbers:"},
                "turn_detection": None,
                "noise_reduction": {"type": "near_field"},
            }
        },
    }
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=session)
        [updated] = await receive(connection, "session.updated")
        assert updated.session.audio.input.transcription.language == "de"
        assert updated.session.audio.input.turn_detection is None
        items = []
        for _ in range(2):
            await append(connection, SECOND[format] * 2)
            await connection.input_audio_buffer.commit()
            events = await receive(connection, COMPLETED)
            [committed] = [event for event in events if event.type == "input_audio_buffer.committed"]
            assert {event.item_id for event in events if event.type in (DELTA, COMPLETED)} == {committed.item_id}
            items.append((committed.previous_item_id, committed.item_id, transcript(events), events[-1].usage.seconds))
    first, second = items
    assert (first[0], second[0]) == (None, first[1])
    assert [len(text.split()) for _, _, text, _ in items] == [4, 4]
    assert f"{first[2]} {second[2]}" == says(4)
    assert (first[3], second[3]) == (2, 2)


async def test_how_sure_each_word_is_where_it_is_asked_for(serving):
    wish = {**MANUAL, "include": ["item.input_audio_transcription.logprobs"]}
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=wish)
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.input_audio_buffer.commit()
        *events, completed = await receive(connection, COMPLETED)
    assert [(each.token, each.logprob) for each in completed.logprobs[:2]] == [(" one", 0.0), (" two", 0.0)]
    told = [each.token for event in events if event.type == DELTA for each in event.logprobs]
    assert "".join(told).strip() == completed.transcript


async def test_a_turn_names_its_language(serving):
    async with serving() as daemon, connected(daemon) as connection:
        await append(connection, SECOND["audio/pcm"])
        await connection.input_audio_buffer.commit()
        *_, completed = await receive(connection, COMPLETED)
    assert [one.code for one in completed.languages] == ["en"]


async def test_words_come_before_the_commit(serving):
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=MANUAL)
        await append(connection, SECOND["audio/pcm"] * 3)
        [*_, delta] = await receive(connection, DELTA)
    assert delta.delta.startswith("one")


async def test_turns_found_by_the_server(serving, says):
    async with serving() as daemon, connected(daemon) as connection:
        for turn in range(2):
            await append(connection, SECOND["audio/pcm"] * 2)
            # The VAD of this test hears no pause; a commit is one for it.
            await connection.input_audio_buffer.commit()
            events = await receive(connection, COMPLETED)
            kinds = [event.type for event in events if event.type != DELTA]
            assert kinds == [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                COMPLETED,
            ]
            started, stopped = events[0], next(e for e in events if e.type.endswith("stopped"))
            # The resampler keeps a few milliseconds back for what may follow.
            times = pytest.approx((turn * 2000, (turn + 1) * 2000), abs=60)
            assert (started.audio_start_ms, stopped.audio_end_ms) == times
            assert started.item_id == events[-1].item_id
            assert len(transcript(events).split()) == 4


async def test_a_commit_behind_which_nobody_has_spoken_is_answered(serving):
    async with serving({"vad": {"name": "silero"}}) as daemon, connected(daemon) as connection:
        for _ in range(2):
            await append(connection, SECOND["audio/pcm"])
            await connection.input_audio_buffer.commit()
            events = await receive(connection, COMPLETED)
            kinds = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done", COMPLETED]
            assert [event.type for event in events] == kinds
            assert (transcript(events), events[-1].usage.seconds) == ("", 1)


async def test_what_is_cleared_is_never_completed(serving, says):
    async with serving() as daemon, connected(daemon) as connection:
        await connection.session.update(session=MANUAL)
        await append(connection, SECOND["audio/pcm"] * 3)
        await connection.input_audio_buffer.clear()
        await receive(connection, "input_audio_buffer.cleared")
        await append(connection, SECOND["audio/pcm"] * 2)
        await connection.input_audio_buffer.commit()
        assert transcript(await receive(connection, COMPLETED)) == says(2)


async def test_a_turn_that_is_over_is_not_cleared(serving, speech_dir):
    audio, rate = soundfile.read(speech_dir / CLIP, dtype="float32")
    spoken = np.pad(soxr.resample(audio, rate, 24_000), (0, 24_000))
    values = {"vad": {"name": "silero"}, "backend": {"name": "scripted", "options": {"step_seconds": 0.2}}}
    async with serving(values) as daemon, connected(daemon) as connection:
        await append(connection, (spoken * 32767).astype("<i2").tobytes(), 4800)
        [*_, committed] = await receive(connection, "input_audio_buffer.committed")
        await append(connection, (spoken[:48_000] * 32767).astype("<i2").tobytes(), 4800)
        await connection.input_audio_buffer.clear()
        events = await receive(connection, "input_audio_buffer.cleared")
        assert [event.item_id for event in events if event.type == COMPLETED] == [committed.item_id]


async def test_the_shape_of_the_beta(serving, says):
    update = {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1", "language": "fr"},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 300},
        },
    }
    audio = base64.b64encode(SECOND["audio/pcmu"] * 2).decode()
    async with serving() as daemon, raw(daemon, headers={"OpenAI-Beta": "realtime=v1"}) as socket:
        assert (await socket.receive_json(timeout=30))["type"] == "transcription_session.created"
        await socket.send_json(update)
        assert (await socket.receive_json(timeout=30))["type"] == "transcription_session.updated"
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await socket.send_json({"type": "input_audio_buffer.commit"})
        kinds = []
        while (event := await socket.receive_json(timeout=30))["type"] != COMPLETED:
            kinds.append(event["type"])
        assert "conversation.item.created" in kinds and "conversation.item.done" not in kinds
        assert event["transcript"] == says(2)


async def test_a_failing_backend_fails_the_item(serving):
    values = {"backend": {"name": "scripted", "options": {"fail_on": " three"}}, "worker": {"max_chunk_seconds": 1}}
    async with serving(values) as daemon, connected(daemon) as connection:
        await connection.session.update(session=MANUAL)
        await append(connection, SECOND["audio/pcm"] * 5)
        events = await receive(connection, "error")
        [failed] = [event for event in events if event.type == FAILED]
        assert failed.error.code == "backend_failed"
        assert events[-1].error.type == "server_error"


async def test_tokens_places_and_idle_clients(serving, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    values = {"auth": {"tokens_file": str(tokens)}, "sessions": {"max_sessions": 1}}
    async with serving(values, idle_timeout_seconds=0.3) as daemon, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{daemon.ws}/v1/realtime")
        assert caught.value.status == 401
        protocols = ("realtime", "openai-insecure-api-key.sesame", "openai-beta.realtime-v1")
        async with http.ws_connect(f"{daemon.ws}/v1/realtime", protocols=protocols) as socket:
            assert socket.protocol == "realtime"
            assert (await socket.receive_json(timeout=30))["type"] == "transcription_session.created"
            assert (await socket.receive_json(timeout=30))["error"]["code"] == "idle_timeout"
        async with connected(daemon, "sesame") as first:
            await append(first, SECOND["audio/pcm"] * 2)
            await receive(first, "input_audio_buffer.speech_started")
            headers = {"Authorization": "Bearer sesame"}
            async with http.get(f"{daemon.http}/v1/realtime", headers=headers) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (503, "server_full")


async def test_the_limit_for_one_address_is_told_before_the_upgrade(serving):
    async with (
        serving({"sessions": {"max_sessions_per_address": 1}}) as daemon,
        aiohttp.ClientSession() as http,
        connected(daemon) as first,
    ):
        await append(first, SECOND["audio/pcm"] * 2)
        await receive(first, "input_audio_buffer.speech_started")
        async with http.get(f"{daemon.http}/v1/realtime") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "server_full")


async def test_a_drain_completes_the_item(serving, says):
    async with serving() as daemon, connected(daemon) as connection:
        await append(connection, SECOND["audio/pcm"] * 3)
        await receive(connection, DELTA)

        async def all_is_received() -> bool:
            # But for what the resampler holds back, which is less than the last piece.
            return await metric(daemon.http, "wlkd_audio_received_seconds_total") > 2.95

        await until(all_is_received)
        daemon.daemon.stop()
        events = await receive(connection, "error")
        [completed] = [event for event in events if event.type == COMPLETED]
        assert completed.transcript == says(3)
        assert events[-1].error.code == "draining"


async def test_the_contract():
    async def talk(port: int, audio: bytes) -> Told:
        api = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0)
        text = ""
        try:
            async with api, api.realtime.connect() as connection:
                await connection.session.update(session=MANUAL)
                await append(connection, audio, piece=len(audio))
                await connection.input_audio_buffer.commit()
                async for event in connection:
                    text += event.delta if event.type == DELTA else ""
                    if event.type == "error":
                        return Told(text, event.error.message)
                    if event.type == COMPLETED:
                        break
        except InvalidStatus as error:
            return Told("", json.loads(error.response.body)["error"]["message"])
        return Told(text)

    async def ask_for_a_key(port: int, audio: bytes) -> Told:
        body = {"session": {"audio": {"input": {"transcription": {"language": "xx"}}}}}
        url = f"http://127.0.0.1:{port}/v1/realtime/client_secrets"
        async with aiohttp.request("POST", url, json=body) as answer:
            return Told("", (await answer.json())["error"]["message"])

    await check_transport(lambda port: OpenAI(OpenAIOptions(close_timeout_seconds=1)), talk, ask_for_a_key)
