"""The API through the `deepgram-sdk` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
import soundfile
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Configure, ListenV1Error
from websockets.exceptions import ConnectionClosedError
from wlkd_deepgram.transport import Deepgram, DeepgramOptions

from tests.waiting import metric, until_metric
from tests.wav import wav
from wlkd.testing import RunningDaemon, Told, check_transport, running_daemon

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
LINEAR = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000}


def spoken(seconds: float) -> str:
    """What the scripted backend makes of that much audio."""
    return " ".join(WORDS[i % 10] for i in range(round(seconds * 2)))


@asynccontextmanager
async def serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
    values = {"vad": {"name": "none"}, "transports": {"deepgram": options}, **(values or {})}
    async with running_daemon(values) as daemon:
        yield daemon


def environment(daemon: RunningDaemon) -> DeepgramClientEnvironment:
    return DeepgramClientEnvironment(base=daemon.http, production=daemon.ws, agent=daemon.ws, agent_rest=daemon.http)


def client(daemon: RunningDaemon, key: str = "unused") -> AsyncDeepgramClient:
    return AsyncDeepgramClient(api_key=key, environment=environment(daemon))


async def hear(socket) -> list[Any]:
    """Every message until the server closes."""
    async with asyncio.timeout(20):
        return [message async for message in socket]


def finals(messages) -> str:
    """What an application shows: the transcripts of all final results."""
    said = [
        message.channel.alternatives[0].transcript
        for message in messages
        if message.type == "Results" and message.is_final
    ]
    return " ".join(transcript for transcript in said if transcript)


def quiet(seconds: float, rate: int = 16_000) -> bytes:
    """In a file."""
    return wav(bytes(2 * round(seconds * rate)), rate=rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize(("encoding", "width"), [("linear16", 2), ("mulaw", 1), ("alaw", 1)])
async def test_every_encoding_at_every_rate(rate, encoding, width):
    silence = {"linear16": b"\0", "mulaw": b"\xff", "alaw": b"\xd5"}[encoding]
    async with serving() as daemon:
        listening = client(daemon).listen.v1.connect(model="nova-3", encoding=encoding, sample_rate=rate)
        async with listening as socket:
            audio = silence * (width * rate * 3 - width * 8)  # a little less, for resamplers round up
            for offset in range(0, len(audio), 10_007):
                await socket.send_media(audio[offset : offset + 10_007])
            await socket.send_close_stream()
            messages = await hear(socket)
    assert finals(messages) == spoken(3)
    assert messages[-1].type == "Metadata"
    assert messages[-1].duration == pytest.approx(3, abs=0.01)
    words = [
        word
        for message in messages
        if message.type == "Results" and message.is_final
        for word in message.channel.alternatives[0].words
    ]
    assert [(word.word, word.start, word.confidence) for word in words[:2]] == [("one", 0.0, 1.0), ("two", 0.5, 1.0)]


async def test_a_container_says_its_rate_itself():
    async with serving() as daemon, client(daemon).listen.v1.connect(model="nova-3") as socket:
        await socket.send_media(quiet(2, rate=44_100))
        await socket.send_close_stream()
        assert finals(await hear(socket)) == spoken(2)


def opus(container: str, seconds: float) -> bytes:
    """Silence as browsers and phones send it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono")
        for start in range(0, round(seconds * 48_000), 960):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(("container", "query"), [("webm", {}), ("ogg", {"encoding": "opus", "sample_rate": 48_000})])
async def test_opus_in_its_containers(container, query):
    async with serving() as daemon, client(daemon).listen.v1.connect(model="nova-3", **query) as socket:
        audio = opus(container, 3)
        for offset in range(0, len(audio), 700):
            await socket.send_media(audio[offset : offset + 700])
        await socket.send_close_stream()
        assert finals(await hear(socket)).split()[:6] == spoken(3).split()


def opus_packets(seconds: float, rate: int, layout: str = "mono") -> list[bytes]:
    """Packets of 20 ms, without a container, as a softphone or a WebRTC bridge has them."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.time_base = rate, layout, "s16", Fraction(1, rate)
    packets, length = [], rate // 50
    for number in range(round(seconds * 50)):
        silence = np.zeros((1, length * (2 if layout == "stereo" else 1)), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, number * length
        packets += map(bytes, encoder.encode(frame))
    return packets


@pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (16_000, "stereo"), (48_000, "mono")])
async def test_opus_packets_without_a_container_some_of_them_lost_or_damaged(rate, layout):
    query = {"encoding": "opus", "sample_rate": rate}
    async with serving() as daemon, client(daemon).listen.v1.connect(model="nova-3", **query) as socket:
        for number, packet in enumerate(opus_packets(3.2, rate, layout)):
            if number % 40 != 7:  # lost
                await socket.send_media(b"\xff\xff" if number % 40 == 9 else packet)
        await socket.send_close_stream()
        messages = await hear(socket)
    assert finals(messages).split()[:6] == spoken(3).split()
    assert messages[-1].duration == pytest.approx(3.12, abs=0.03)
    assert "an Opus packet cannot be decoded" in str(messages[-1])


async def test_messages_that_are_neither_opus_packets_nor_a_container():
    async with serving() as daemon, client(daemon).listen.v1.connect(model="nova-3", encoding="opus") as socket:
        for _ in range(60):
            await socket.send_media(b"\xff\xff\xff")
        with pytest.raises(ConnectionClosedError, match="no Opus packets"):
            await hear(socket)


async def test_telephone_packets_of_20_ms():
    query = {"model": "nova-3", "encoding": "mulaw", "sample_rate": 8_000}
    async with serving() as daemon, client(daemon).listen.v1.connect(**query) as socket:
        for _ in range(149):
            await socket.send_media(b"\xff" * 160)
        await socket.send_close_stream()
        assert finals(await hear(socket)) == spoken(3)


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
    assert [message.channel.alternatives[0].transcript for message in results] == ["one two"]


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
        ("[" * 100_000, "nested too deeply"),
        (r'{"type": "\ud800"}', "half of a character"),
        ("CloseStream", "not JSON"),
        ("", "not JSON"),
        ("x" * 5_000, "not JSON"),
    ],
    ids=["type", "no type", "list", "string", "cut short", "nested", "half a character", "text", "empty", "long"],
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
        await bad.receive(timeout=5)
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


async def test_a_recording():
    async with serving() as daemon:
        answer = await client(daemon).listen.v1.media.transcribe_file(
            request=quiet(3), model="nova-3", smart_format=True, utterances=True, detect_language=True
        )
    [channel] = answer.results.channels
    [alternative] = channel.alternatives
    assert (alternative.transcript, channel.detected_language) == (spoken(3), "en")
    assert [(word.word, word.start, word.end) for word in alternative.words[:2]] == [("one", 0, 0.5), ("two", 0.5, 1)]
    assert [utterance.transcript for utterance in answer.results.utterances] == [spoken(3)]
    assert answer.metadata.duration == 3.0


async def test_a_recording_that_may_be_in_several_languages():
    async with serving() as daemon:
        answer = await client(daemon).listen.v1.media.transcribe_file(
            request=quiet(1), model="nova-3", language="multi", utterances=True
        )
    for best in (answer.results.channels[0].alternatives[0], answer.results.utterances[0]):
        assert (best.languages, [one.language for one in best.words]) == (["en"], ["en", "en"])


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
async def test_an_au_file_as_systems_call_it(subtype):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(32_000), 16_000, format="AU", subtype=subtype)
    async with serving() as daemon, aiohttp.ClientSession() as http:
        said = {"data": file.getvalue(), "headers": {"Content-Type": "audio/basic"}}
        async with http.post(f"{daemon.http}/v1/listen", **said) as answer:
            assert (await answer.json())["results"]["channels"][0]["alternatives"][0]["transcript"] == spoken(2)


async def test_recordings_that_cannot_be():
    async def endless():
        for _ in range(64):
            yield bytes(65_536)

    async with serving(max_upload_bytes=2_000_000) as daemon, aiohttp.ClientSession() as http:
        url = f"{daemon.http}/v1/listen"
        for body, status, words in [
            (b"", 400, "empty"),
            (b"this is no audio " * 1000, 400, "audio"),
            (bytes(2_000_001), 413, "larger"),
        ]:
            async with http.post(url, data=body) as answer:
                said = await answer.json()
                assert (answer.status, words in said["err_msg"]) == (status, True)
        async with http.post(url, data=b"no gzip", headers={"Content-Encoding": "gzip"}) as answer:
            assert (answer.status, "read" in (await answer.json())["err_msg"]) == (400, True)
    # Not the same connection: the server closes it after a body that it could not read.
    async with serving(max_upload_bytes=2_000_000) as daemon, aiohttp.ClientSession() as http:
        url = f"{daemon.http}/v1/listen"
        async with http.post(url, json={"url": "http://elsewhere/a.wav"}) as answer:
            assert (answer.status, "network" in (await answer.json())["err_msg"]) == (400, True)
        raw = f"{url}?encoding=linear16&sample_rate=16000"
        async with http.post(raw, data=endless()) as answer:
            assert (answer.status, (await answer.json())["err_code"]) == (413, "PAYLOAD_TOO_LARGE")
        async with http.post(raw, data=bytes(32_001)) as answer:
            assert (await answer.json())["results"]["channels"][0]["alternatives"][0]["transcript"] == "one two"


@pytest.mark.parametrize("seconds", [20, 600], ids=["all of it sent", "in the middle of its upload"])
async def test_a_client_that_leaves_frees_its_place(seconds, caplog):
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.1}},
        "sessions": {"max_sessions": 1},
        "worker": {"max_chunk_seconds": 1},
    }
    async with serving(values) as daemon, aiohttp.ClientSession() as http:
        leaving = asyncio.create_task(http.post(f"{daemon.http}/v1/listen", data=quiet(seconds)))
        await until_metric(daemon.http, "wlkd_sessions_open", 1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await until_metric(daemon.http, "wlkd_sessions_open", 0)
        # Two words a second.
        assert await metric(daemon.http, "wlkd_words_committed_total") < 2 * seconds, "it was transcribed to its end"
        async with http.post(f"{daemon.http}/v1/listen", data=quiet(1)) as answer:
            assert answer.status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


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


async def test_the_contract_of_recordings():
    async def talk(port: int, audio: bytes, query: str = "", repeat: int = 1) -> Told:
        async with aiohttp.request("POST", f"http://127.0.0.1:{port}/v1/listen{query}", data=audio * repeat) as answer:
            content = await answer.json()
        if answer.status != 200:
            return Told("", content["err_msg"])
        return Told(content["results"]["channels"][0]["alternatives"][0]["transcript"])

    mistaken = [partial(talk, query="?callback=http://here"), partial(talk, repeat=2)]
    await check_transport(lambda port: Deepgram(DeepgramOptions(max_upload_bytes=16_000)), talk, *mistaken)
