"""Short-lived keys: a server asks for one with the `openai` package, a page connects with it as browsers do."""

from __future__ import annotations

import base64
import random
import string
import time

import aiohttp
import openai
import pytest

from tests.waiting import metric

MIB = 1 << 20
COMPLETED = "conversation.item.input_audio_transcription.completed"
SPOKEN = {"audio": {"input": {"transcription": {"language": "de", "prompt": "Zahlen"}, "turn_detection": None}}}


@pytest.fixture
def guarded(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    return {"auth": {"tokens_file": str(tokens)}}


def api(daemon, key="sesame"):
    return openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key=key, max_retries=0)


def protocols(key: str) -> tuple[str, str]:
    return "realtime", f"openai-insecure-api-key.{key}"


async def test_a_page_streams_with_a_key_that_its_server_asked_for(serving, says, guarded):
    async with serving(guarded) as daemon, api(daemon) as server, aiohttp.ClientSession() as page:
        secret = await server.realtime.client_secrets.create(
            session={"type": "transcription", **SPOKEN}, expires_after={"anchor": "created_at", "seconds": 60}
        )
        assert secret.value.startswith("ek_")
        assert secret.expires_at == pytest.approx(time.time() + 60, abs=5)
        assert secret.session.type == "transcription"
        async with page.ws_connect(f"{daemon.ws}/v1/realtime", protocols=protocols(secret.value)) as socket:
            session = (await socket.receive_json(timeout=30))["session"]
            assert session["audio"]["input"]["transcription"]["language"] == "de"
            assert session["audio"]["input"]["turn_detection"] is None
            audio = base64.b64encode(bytes(48_000)).decode()
            await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
            await socket.send_json({"type": "input_audio_buffer.commit"})
            while (event := await socket.receive_json(timeout=30))["type"] != COMPLETED:
                pass
            assert event["transcript"] == says(1)


async def test_a_key_makes_no_keys_and_a_bad_one_opens_nothing(serving, guarded):
    async with serving(guarded) as daemon, api(daemon) as server, aiohttp.ClientSession() as page:
        with pytest.raises(openai.AuthenticationError):
            async with api(daemon, "wrong") as stranger:
                await stranger.realtime.client_secrets.create()
        key = (await server.realtime.client_secrets.create()).value
        async with api(daemon, key) as holder:
            with pytest.raises(openai.AuthenticationError, match="makes no others"):
                await holder.realtime.client_secrets.create()
        for bad in (key[:-2] + "AA", key[:20], "ek_", "ek_ä"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await page.ws_connect(f"{daemon.ws}/v1/realtime", headers={"Authorization": f"Bearer {bad}"})
            assert caught.value.status == 401


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"expires_after": {"anchor": "created_at", "seconds": 5}}, "expires_after.seconds"),
        ({"session": {"type": "realtime"}}, "session.type"),
        ({"session": {"type": "transcription", "colour": "red"}}, "session.colour"),
    ],
)
async def test_mistakes_are_named(serving, asked, param):
    async with serving() as daemon, api(daemon) as server:
        with pytest.raises(openai.BadRequestError) as caught:
            await server.realtime.client_secrets.create(**asked)
        assert caught.value.param == param


def without_order(characters: int) -> str:
    """A text that can hardly be compressed."""
    return "".join(random.Random(7).choices(string.ascii_letters + string.digits + "+/", k=characters))


def wish(prompt: str) -> dict[str, object]:
    return {"type": "transcription", "audio": {"input": {"transcription": {"prompt": prompt}}}}


async def test_the_longest_key_fits_into_the_headers_of_a_page(serving):
    prompt = without_order(7_770)
    async with serving() as daemon, api(daemon) as server, aiohttp.ClientSession() as page:
        key = (await server.realtime.client_secrets.create(session=wish(prompt))).value
        assert 7_900 < len(key) <= 8_000
        offered = (*protocols(key), "openai-beta.realtime-v1")
        for shown in ({"protocols": offered}, {"headers": {"Authorization": f"Bearer {key}"}}):
            async with page.ws_connect(f"{daemon.ws}/v1/realtime", **shown) as socket:
                assert prompt in await socket.receive_str(timeout=30)


@pytest.mark.parametrize("prompt", ["n" * 20_000, without_order(9_000)])
async def test_no_key_is_made_for_settings_that_it_cannot_carry(serving, prompt):
    async with serving() as daemon, api(daemon) as server, aiohttp.ClientSession() as http:
        with pytest.raises(openai.BadRequestError, match=r"shorten the prompt .*session\.update") as caught:
            await server.realtime.client_secrets.create(session=wish(prompt))
        assert caught.value.param == "session"
        beta = {"input_audio_transcription": {"prompt": prompt}}
        async with http.post(f"{daemon.http}/v1/realtime/transcription_sessions", json=beta) as answer:
            assert answer.status == 400


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b" " * (MIB + 1) + b"{}", {}, 413),
        (b"{}", {"Content-Type": "application/json; charset=foo"}, 400),
        (b'{"session": "\xff"}', {}, 400),
        (rb'{"session": {"\ud800": 1}}', {}, 400),
    ],
)
async def test_a_body_that_cannot_be_read_is_the_client_s_mistake(serving, caplog, body, headers, status):
    async with serving() as daemon, aiohttp.ClientSession() as http:
        for path in ("client_secrets", "transcription_sessions"):
            async with http.post(f"{daemon.http}/v1/realtime/{path}", data=body, headers=headers) as answer:
                assert answer.status == status
                assert (await answer.json())["error"]["type"] == "invalid_request_error"
    assert "ended by a defect" not in caplog.text


@pytest.mark.parametrize(
    ("path", "kind"), [("transcription_sessions", "transcription_session"), ("sessions", "session")]
)
async def test_the_beta_s_sessions_in_the_beta_s_shape(serving, guarded, path, kind):
    headers = {"Authorization": "Bearer sesame", "OpenAI-Beta": "realtime=v1"}
    wish = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "de"},
        "turn_detection": None,
        "modalities": ["text"],
    }
    async with serving(guarded) as daemon, aiohttp.ClientSession() as http:
        async with http.post(f"{daemon.http}/v1/realtime/{kind}s", json=wish, headers=headers) as answer:
            made = await answer.json()
        assert made["object"] == f"realtime.{kind}"
        assert made["client_secret"]["expires_at"] == pytest.approx(time.time() + 60, abs=5)
        assert (made["input_audio_format"], made["turn_detection"]) == ("g711_ulaw", None)
        offered = (*protocols(made["client_secret"]["value"]), "openai-beta.realtime-v1")
        async with http.ws_connect(f"{daemon.ws}/v1/realtime", protocols=offered) as socket:
            created = await socket.receive_json(timeout=30)
            assert created["type"] == "transcription_session.created"
            assert created["session"]["input_audio_format"] == "g711_ulaw"
            assert created["session"]["input_audio_transcription"]["language"] == "de"
            await socket.send_json({"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}})
            updated = await socket.receive_json(timeout=30)
            assert updated["session"]["input_audio_format"] == "pcm16"
            assert "audio" not in updated["session"]


async def test_a_key_opens_the_other_transports_too(serving, guarded):
    async with serving(guarded) as daemon, api(daemon) as server, aiohttp.ClientSession() as http:
        key = (await server.realtime.client_secrets.create()).value
        async with http.get(f"{daemon.http}/v1/models", headers={"Authorization": f"Bearer {key}"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "key", "status"), [("models", "wrong", 401), ("models/x", "wrong", 401), ("models/x", "sesame", 404)]
)
async def test_who_only_asks_for_models_is_no_client_turned_away(serving, guarded, path, key, status):
    async with serving(guarded) as daemon, aiohttp.ClientSession() as http:
        async with http.get(f"{daemon.http}/v1/{path}", headers={"Authorization": f"Bearer {key}"}) as answer:
            assert (answer.status, (await answer.json())["error"]["type"]) == (status, "invalid_request_error")
        assert await metric(daemon.http, "wlkd_sessions_refused_total") == 0
