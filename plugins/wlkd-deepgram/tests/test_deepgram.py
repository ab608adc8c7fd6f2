"""Live streams through the `deepgram-sdk` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import aiohttp
import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Configure, ListenV1Error
from websockets.exceptions import ConnectionClosedError
from wlkd_deepgram.transport import Deepgram, DeepgramOptions

from tests.scripted import spoken
from tests.waiting import until_metric
from wlkd.testing import Told, check_transport

from .sdk import LINEAR, client, environment, finals, hear, quiet, serving


async def test_a_client_faster_than_recognition_is_slowed_down_and_loses_nothing():
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.02}},
        "sessions": {"max_backlog_seconds": 2.0},
        "worker": {"max_chunk_seconds": 1.0},
    }
    async with serving(values) as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        hearing = asyncio.create_task(hear(socket))
        for _ in range(120):
            await socket.send_media(bytes(32_000))
        await socket.send_close_stream()
        assert finals(await hearing) == spoken(120)


async def test_the_synchronous_client():
    def listen(daemon) -> list[Any]:
        deepgram = DeepgramClient(api_key="unused", environment=environment(daemon))
        with deepgram.listen.v1.connect(**LINEAR) as socket:
            socket.send_media(bytes(64_000))
            socket.send_close_stream()
            return list(socket)

    async with serving() as daemon:
        assert finals(await asyncio.to_thread(listen, daemon)) == spoken(2)


async def test_interim_results_come_while_the_client_speaks():
    async with serving() as daemon, client(daemon).listen.v1.connect(**LINEAR, interim_results="true") as socket:
        await socket.send_media(bytes(64_000))
        async with asyncio.timeout(10):
            first = await socket.recv()
        assert (first.is_final, first.speech_final) == (False, False)
        assert first.channel.alternatives[0].transcript.startswith("one two")
        await socket.send_close_stream()
        messages = await hear(socket)
    assert finals(messages) == spoken(2)


async def test_finalize_flushes_and_the_stream_goes_on():
    async with serving() as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        for _ in range(2):
            await socket.send_media(bytes(32_000))
            await socket.send_finalize()
            async with asyncio.timeout(10):
                while not (message := await socket.recv()).from_finalize:
                    pass
            assert message.is_final
            assert message.channel.alternatives[0].transcript in ("one two", "three four")
        await socket.send_close_stream()
        [metadata] = await hear(socket)
        assert metadata.duration == 2.0


async def test_an_application_that_finalizes_and_closes_at_once_loses_nothing():
    async with serving() as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        await socket.send_media(bytes(32_000 * 5))
        await socket.send_finalize()
        await socket.send_close_stream()
        assert finals(await hear(socket)) == spoken(5)


async def test_keep_alive_keeps_a_silent_client():
    values = {"sessions": {"idle_timeout_seconds": 0.5}}
    async with serving(values) as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        await socket.send_media(bytes(32_000))
        for _ in range(8):  # longer than the limit, each pause far shorter
            await asyncio.sleep(0.1)
            await socket.send_keep_alive()
        await socket.send_media(bytes(32_000))
        await socket.send_close_stream()
        assert finals(await hear(socket)) == spoken(2)


async def test_keep_alive_ends_nothing():
    async with serving() as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        await socket.send_media(bytes(16_000))
        for _ in range(3):
            await socket.send_keep_alive()
        await socket.send_media(bytes(16_000))
        await socket.send_close_stream()
        results = [message for message in await hear(socket) if message.type == "Results"]
    # The end may come in a result of its own, without words.
    told = [message.channel.alternatives[0].transcript for message in results]
    assert [text for text in told if text] == ["one two"]


async def test_a_silent_client_without_keep_alive_is_sent_away():
    values = {"sessions": {"idle_timeout_seconds": 0.3}}
    async with serving(values) as daemon, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{daemon.ws}/v1/listen?encoding=mulaw") as socket:
            await socket.send_bytes(b"\xff" * 8_000)
            said = [json.loads(message.data) async for message in socket]
        assert [message["type"] for message in said] == ["Results", "Error"]
        assert (said[1]["code"], socket.close_code) == ("NET-0001", 1011)


@pytest.mark.parametrize(
    ("change", "answer", "code"),
    [
        (ListenV1Configure(features={"numerals": True}), "ConfigureSuccess", None),
        (ListenV1Configure(), "ConfigureSuccess", None),
        (ListenV1Configure(keyterms=["Ljubljana"]), "ConfigureFailure", "CONFIGURE_KEYTERMS_NOT_SUPPORTED"),
        (ListenV1Configure(features={"profanity_filter": True}), "ConfigureFailure", "CONFIGURE_INTERNAL_ERROR"),
        (ListenV1Configure(features={"smart_formatting": True}), "ConfigureFailure", "CONFIGURE_INTERNAL_ERROR"),
    ],
)
async def test_a_stream_that_is_configured_goes_on(change, answer, code):
    values = {"filters": {"numbers": {"active": False}}}
    async with serving(values) as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        await socket.send_configure(change)
        await socket.send_media(bytes(64_000))
        await socket.send_close_stream()
        first, *messages = await hear(socket)
    assert (first.type, getattr(first, "code", None)) == (answer, code)
    assert first.request_id == messages[-1].request_id
    digits = "1234" if change.features == {"numerals": True} else spoken(2)
    assert finals(messages) == digits


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ('{"type": "Rewind"}', "'Rewind' is not known here"),
        ("{}", "None is not known here"),
        ("[1]", "must be a JSON object"),
        ('"KeepAlive"', "must be a JSON object"),
        ("{", "not JSON"),
        ("[" * 15_000, "nested too deeply"),
        ("[" * 100_000, "more than 20000 values"),
        (r'{"type": "\ud800"}', "half of a character"),
        ("CloseStream", "not JSON"),
        ("", "not JSON"),
        ("x" * 5_000, "not JSON"),
    ],
    ids=[
        "type",
        "no type",
        "list",
        "string",
        "cut short",
        "nested",
        "many values",
        "half a character",
        "text",
        "empty",
        "long",
    ],
)
async def test_a_message_that_makes_no_sense_is_answered_and_harms_nothing(sent, said):
    async with serving() as daemon, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{daemon.ws}/v1/listen?encoding=mulaw") as socket:
            await socket.send_str(sent)
            error = ListenV1Error(**await socket.receive_json(timeout=10))
            assert (error.type, error.variant, error.message) == ("Error", "SchemaError", sent[:1000])
            assert said in error.description
            await socket.send_bytes(b"\xff" * 8_000)
            await socket.send_str('{"type": "CloseStream"}')
            *results, metadata = [json.loads(message.data) async for message in socket]
        assert results[-1]["channel"]["alternatives"][0]["transcript"] == spoken(1)
        assert (metadata["type"], socket.close_code) == ("Metadata", 1000)


async def test_what_is_not_audio_ends_its_own_stream_only():
    async with (
        serving() as daemon,
        aiohttp.ClientSession() as http,
        client(daemon).listen.v1.connect(**LINEAR) as good,
        http.ws_connect(f"{daemon.ws}/v1/listen") as bad,
    ):
        await good.send_media(bytes(32_000))
        await bad.send_bytes(b"no audio at all, whatever it says " * 2_000)
        await bad.send_str('{"type": "CloseStream"}')
        error = await bad.receive_json(timeout=10)
        assert (error["type"], error["variant"]) == ("Error", "undecodable_audio")
        await bad.receive(timeout=30)
        assert bad.close_code == 1008
        await good.send_media(bytes(32_000))
        await good.send_close_stream()
        assert finals(await hear(good)) == spoken(2)


async def test_a_message_too_big_is_refused_in_words():
    async with serving(max_message_bytes=65_536) as daemon, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{daemon.ws}/v1/listen?encoding=mulaw") as socket:
            await socket.send_bytes(bytes(65_536))
            await socket.send_bytes(bytes(65_537))
            async with asyncio.timeout(5):
                while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                    pass
        assert (message.data, message.extra[:9]) == (1009, "DATA-0000")


@pytest.mark.parametrize("query", ["encoding=linear16", "language=tlh", "colour=blue", "encoding=mulaw&sample_rate=1"])
async def test_a_bad_query_is_refused_before_the_upgrade(query):
    async with serving() as daemon, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{daemon.ws}/v1/listen?{query}")
        assert caught.value.status == 400
        assert caught.value.headers["dg-error"]
        async with http.post(f"{daemon.http}/v1/listen?{query}", data=b"x") as answer:
            assert (answer.status, (await answer.json())["err_code"]) == (400, "INVALID_QUERY_PARAMETER")


async def test_tokens_in_a_header_or_as_a_subprotocol(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with serving({"auth": {"tokens_file": str(tokens)}}) as daemon:
        with pytest.raises(ApiError) as caught:
            async with client(daemon, "wrong").listen.v1.connect(**LINEAR):
                raise AssertionError("let in with a wrong token")
        assert caught.value.status_code == 401
        async with client(daemon, "sesame").listen.v1.connect(**LINEAR) as socket:
            await socket.send_close_stream()
            assert [message.type for message in await hear(socket)] == ["Metadata"]
        async with aiohttp.ClientSession() as http:
            for key, headers in (("sesame", {}), ("of-the-page", {"Authorization": "Token sesame"})):
                url = f"{daemon.ws}/v1/listen"
                async with http.ws_connect(url, protocols=("token", key), headers=headers) as socket:
                    assert socket.protocol == "token"


async def test_a_client_too_many_is_told_to_come_back():
    async with (
        serving({"sessions": {"max_sessions": 1}}) as daemon,
        aiohttp.ClientSession() as http,
        client(daemon).listen.v1.connect(**LINEAR),
        http.post(f"{daemon.http}/v1/listen", data=quiet(1)) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_a_client_that_comes_back_at_once_finds_its_place():
    async with serving({"sessions": {"max_sessions": 1}}) as daemon:
        for _ in range(10):
            async with client(daemon).listen.v1.connect(**LINEAR) as socket:
                await socket.send_media(bytes(32_000))
                await socket.send_close_stream()
                async with asyncio.timeout(5):
                    while (await socket.recv()).type != "Metadata":
                        pass


async def test_a_drain_delivers_what_was_received():
    async with serving() as daemon, client(daemon).listen.v1.connect(**LINEAR) as socket:
        await socket.send_media(bytes(32_000 * 4))
        await until_metric(daemon.http, "wlkd_audio_received_seconds_total", 4)
        daemon.daemon.stop()
        messages = []
        with pytest.raises(Exception, match="1013"):
            async for message in socket:
                messages.append(message)
    assert finals(messages) == spoken(4)
    assert [message.type for message in messages[-2:]] == ["Metadata", "Error"]


def at(port: int) -> AsyncDeepgramClient:
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    return AsyncDeepgramClient(
        api_key="unused",
        environment=DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http),
    )


async def test_the_contract_live():
    async def talk(port: int, audio: bytes, **query: str) -> Told:
        try:
            async with at(port).listen.v1.connect(**LINEAR, **query) as socket:
                await socket.send_media(audio)
                await socket.send_close_stream()
                messages = await hear(socket)
        except ApiError as error:
            # The package keeps the answer to itself.
            return Told("", error.__context__.headers["dg-error"])
        except ConnectionClosedError as error:
            return Told("", error.rcvd.reason)
        errors = [message for message in messages if message.type == "Error"]
        return Told(finals(messages), errors[0].description if errors else None)

    async def converse(port: int, audio: bytes) -> Told:
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(f"ws://127.0.0.1:{port}/v2/listen?eot_threshold=7"):
                    raise AssertionError("it came in")
            except aiohttp.WSServerHandshakeError as error:
                return Told("", error.headers["dg-error"])

    mistaken = partial(talk, redact="pci")
    transport = lambda port: Deepgram(DeepgramOptions(close_timeout_seconds=1))  # noqa: E731
    await check_transport(transport, talk, mistaken, converse)
