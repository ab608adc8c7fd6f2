"""The REST API through the `openai` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import time
from functools import partial
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.audio import TranscriptionStreamEvent
from pydantic import TypeAdapter
from wlkd_openai.languages import languages
from wlkd_openai.transport import OpenAI, OpenAIOptions

from tests.waiting import metric, until_metric
from wlkd import Line, Word
from wlkd.testing import Told, check_transport


def client(daemon, token="unused") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key=token, max_retries=0, timeout=30)


async def post(daemon, fields, *, path="/v1/audio/transcriptions", headers=None):
    """`fields` in their order; a value of bytes is a file. Returns status and JSON."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields:
        if isinstance(value, bytes):
            form.add_field(name, value, filename="speech.wav", content_type="application/octet-stream")
        else:
            form.add_field(name, value)
    async with aiohttp.ClientSession() as http, http.post(daemon.http + path, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_json_by_the_synchronous_client(serving, make_wav, says):
    async with serving() as daemon:

        def transcribe():
            with openai.OpenAI(base_url=f"{daemon.http}/v1", api_key="unused") as sync:
                return sync.audio.transcriptions.create(model="whisper-1", file=("a.wav", make_wav(3)))

        answer = await asyncio.to_thread(transcribe)
    assert answer.text == says(3)
    assert answer.usage.seconds == 3


async def test_verbose_json_has_segments_words_and_their_times(serving, make_wav, says):
    async with serving() as daemon, client(daemon) as api:
        answer = await api.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=("a.wav", make_wav(2)),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="de",
            prompt="Numbers:",
            temperature=0.2,
        )
    assert (answer.text, answer.language, answer.duration) == (says(2), "german", 2.0)
    assert [(word.word, word.start, word.end) for word in answer.words] == [
        ("one", 0.0, 0.5),
        ("two", 0.5, 1.0),
        ("three", 1.0, 1.5),
        ("four", 1.5, 2.0),
    ]
    [segment] = answer.segments
    assert (segment.id, segment.start, segment.end, segment.text) == (0, 0.0, 2.0, " one two three four")
    assert segment.avg_logprob == 0.0


async def test_an_au_file_is_a_container_though_its_name_says_raw_audio(serving, says):
    au = struct.pack(">4s5I", b".snd", 24, 2 * 16_000, 3, 16_000, 1) + bytes(2 * 16_000)
    async with serving() as daemon, client(daemon) as api:
        assert (await api.audio.transcriptions.create(model="m", file=("a.au", au))).text == says(1)


async def test_granularity_decides_what_verbose_json_holds(serving, make_wav):
    async with serving() as daemon, client(daemon) as api:
        file = ("a.wav", make_wav(1))
        plain = await api.audio.transcriptions.create(model="m", file=file, response_format="verbose_json")
        words = await api.audio.transcriptions.create(
            model="m", file=file, response_format="verbose_json", timestamp_granularities=["word"]
        )
    assert (plain.words, len(plain.segments)) == (None, 1)
    assert (len(words.words), words.segments) == (2, None)


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("text", "one two\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\none two\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none two\n"),
    ],
)
async def test_formats_that_are_text(serving, make_wav, format, expected):
    async with serving() as daemon, client(daemon) as api:
        answer = await api.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", make_wav(1)), response_format=format
        )
    assert answer == expected


async def test_every_answer_of_today_names_the_language(serving, make_wav):
    async with serving() as daemon, client(daemon) as api:
        wish = {"model": "gpt-transcribe", "file": ("a.wav", make_wav(1))}
        whole = await api.audio.transcriptions.create(**wish)
        *_, done = [event async for event in await api.audio.transcriptions.create(**wish, stream=True)]
    assert [[one.code for one in answer.languages] for answer in (whole, done)] == [["en"], ["en"]]


def test_the_language_of_most_words_is_named_first():
    words = Word(" a", 0, 1), Word(" b", 1, 2)
    lines = Line(0, 1, words[:1], "de"), Line(1, 2), Line(2, 3, words, "en"), Line(3, 4, words[:1])
    assert languages(lines) == [{"code": "en"}, {"code": "de"}]


async def test_a_stream_of_deltas_adds_up_to_the_text(serving, make_wav, says):
    values = {"backend": {"name": "scripted", "options": {"step_seconds": 0.05}}, "worker": {"max_chunk_seconds": 1}}
    async with serving(values) as daemon, client(daemon) as api:
        stream = await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(9)), stream=True)
        *deltas, done = [event async for event in stream]
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 3
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text == says(9)
    assert done.logprobs is None
    for event in (*deltas, done):
        TypeAdapter(TranscriptionStreamEvent).validate_python(event.model_dump())


@pytest.mark.parametrize("stream", [False, True])
async def test_how_sure_each_word_is_where_it_is_asked_for(serving, make_wav, stream):
    async with serving() as daemon, client(daemon) as api:
        file = ("a.wav", make_wav(2))
        answer = await api.audio.transcriptions.create(model="m", file=file, include=["logprobs"], stream=stream)
        if stream:
            *deltas, answer = [event async for event in answer]
            assert "".join(each.token for event in deltas for each in event.logprobs).strip() == answer.text
    assert [(each.token, each.logprob) for each in answer.logprobs[:2]] == [(" one", 0.0), (" two", 0.0)]
    assert bytes(map(int, answer.logprobs[0].bytes)) == b" one"


async def test_known_speakers_without_a_diarizer_are_refused(serving, make_wav):
    reference = "data:audio/wav;base64," + base64.b64encode(make_wav(3)).decode()
    async with serving() as daemon, client(daemon) as api:
        with pytest.raises(openai.BadRequestError, match="does not tell speakers apart"):
            await api.audio.transcriptions.create(
                model="gpt-4o-transcribe-diarize",
                file=("a.wav", make_wav(2)),
                response_format="diarized_json",
                known_speaker_names=["agent"],
                known_speaker_references=[reference],
            )


async def test_translation_asks_the_backend_to_translate(serving, make_wav, says):
    async with serving() as daemon, client(daemon) as api:
        answer = await api.audio.translations.create(
            model="whisper-1", file=("a.wav", make_wav(1)), response_format="verbose_json"
        )
    assert answer.text == says(1)
    assert answer.model_extra["task"] == "translate"


async def test_models(serving):
    async with serving(models=["whisper-1", "base"]) as daemon, client(daemon) as api:
        assert [model.id async for model in api.models.list()] == ["whisper-1", "base"]
        assert (await api.models.retrieve("base")).owned_by == "wlkd"
        with pytest.raises(openai.NotFoundError, match="does not exist") as caught:
            await api.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


async def test_every_order_of_the_fields_counts(serving, make_wav, says):
    file, model, language, format = (
        ("file", make_wav(2)),
        ("model", "whisper-1"),
        ("language", "fr"),
        ("response_format", "verbose_json"),
    )
    orders = [(model, language, format, file), (file, model, language, format), (model, file, language, format)]
    async with serving() as daemon:
        for order in orders:
            status, answer = await post(daemon, order)
            assert (status, answer["language"], answer["text"]) == (200, "french", says(2))
            assert answer["language_code"] == "fr"


async def test_other_rates_and_channels_are_resampled(serving, make_wav, says):
    async with serving() as daemon:
        for rate, channels in [(8_000, 1), (44_100, 2), (48_000, 1)]:
            _, answer = await post(daemon, [("model", "m"), ("file", make_wav(2, rate=rate, channels=channels))])
            assert answer["text"].split()[:3] == says(2).split()[:3]


BAD_FORMS = [
    ([("model", "m")], "file", "missing_parameter"),
    ([("model", "m"), ("file", b"")], "file", "missing_parameter"),
    ([("model", "m"), ("file", b"x"), ("file", b"x")], "file", "duplicate_parameter"),
    ([("model", "m"), ("model", "n"), ("file", b"x")], "model", "duplicate_parameter"),
    ([("model", "m"), ("diarise", "yes"), ("file", b"x")], "diarise", "unknown_parameter"),
    ([("model", "m"), ("response_format", "xml"), ("file", b"x")], "response_format", "bad_request"),
    ([("model", "m"), ("file", b"x"), ("response_format", "diarized_json")], "diarize", "bad_request"),
    ([("model", "m"), ("temperature", "hot"), ("file", b"x")], "temperature", "bad_request"),
    ([("model", "m"), ("temperature", "nan"), ("file", b"x")], "temperature", "bad_request"),
    ([("model", "m"), ("stream", "perhaps"), ("file", b"x")], "stream", "bad_request"),
    ([("model", "m"), ("timestamp_granularities[]", "page"), ("file", b"x")], "timestamp_granularities", None),
    ([("model", "m"), ("prompt[type]", "x"), ("file", b"x")], "prompt[type]", "unknown_parameter"),
    ([("model", "m"), ("prompt", "x" * 70_000), ("file", b"x")], "prompt", "too_long"),
    ([("model", "m"), ("language", "tlh"), ("file", b"x")], "language", "bad_request"),
]


@pytest.mark.parametrize(("fields", "param", "code"), BAD_FORMS)
async def test_a_bad_form_is_refused_in_words(serving, fields, param, code):
    async with serving() as daemon:
        status, answer = await post(daemon, fields)
    error = answer["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert code is None or error["code"] == code
    assert error["message"]


@pytest.mark.parametrize(
    "file",
    [b"this is not audio, whatever its name says " * 200, b"\x00" * 2_000_000, b"RIFF\xff\xff\xff\xffWAVEfmt "],
    ids=["text", "zeros", "header only"],
)
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_what_is_not_audio_is_refused_in_words(serving, make_wav, says, file, stream):
    async with serving() as daemon:
        status, answer = await post(daemon, [("model", "m"), ("stream", stream), ("file", file)])
        assert (status, answer["error"]["code"]) == (400, "undecodable_audio")
        _, answer = await post(daemon, [("model", "m"), ("file", make_wav(1))])
        assert answer["text"] == says(1)


async def test_a_header_that_lies_about_the_length_hides_nothing(serving, make_wav, says):
    honest = make_wav(2)
    async with serving() as daemon:
        for lie in (0, 100, 0xFFFFFFFF):
            file = honest[:40] + lie.to_bytes(4, "little") + honest[44:]
            status, answer = await post(daemon, [("model", "m"), ("file", file)])
            assert (status, answer["text"]) == (200, says(2))


async def test_a_cut_file_gives_the_words_before_the_cut(serving, make_wav):
    async with serving() as daemon:
        status, answer = await post(daemon, [("model", "m"), ("file", make_wav(4)[:64_044])])
    assert (status, answer["text"]) == (200, "one two three four")


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_restart_that_cannot_wait_for_a_file_tells_its_client(serving, make_wav, stream):
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.3}},
        "worker": {"max_chunk_seconds": 1},
        "sessions": {"drain_seconds": 0.5},
        "warmup": False,
    }
    form = aiohttp.FormData({"model": "whisper-1", "stream": stream})
    form.add_field("file", make_wav(60), filename="speech.wav")
    async with serving(values) as daemon, aiohttp.ClientSession() as http:
        asking = asyncio.create_task(http.post(f"{daemon.http}/v1/audio/transcriptions", data=form))
        # A stream of events has been answered with its first word.
        await (asking if stream == "true" else until_metric(daemon.http, "wlkd_sessions_open", 1.0))
        daemon.daemon.stop()
        async with await asking as answer:
            text = await answer.text()
    if stream == "false":
        assert answer.status == 503 and answer.headers["Retry-After"]
    told = json.loads(text.rpartition("data: ")[2])
    assert told["error"]["code"] == "draining"
    assert told["error"]["message"] == "the server is shutting down, and had no time to transcribe the rest"


async def test_a_form_cut_short_is_refused(serving):
    body = b'--xx\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhis'
    headers = {"Content-Type": "multipart/form-data; boundary=xx"}
    async with serving() as daemon, aiohttp.ClientSession() as http:
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_form")
        long = b"--xx\r\nX: " + b"a" * 20_000 + b"\r\n\r\nRIFF\r\n--xx--\r\n"
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", data=long, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_form")
        async with http.post(f"{daemon.http}/v1/audio/transcriptions", json={"model": "m"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_content_type")


async def test_a_file_too_large_is_refused_announced_or_not(serving):
    async def endless():
        for _ in range(64):
            yield bytes(65_536)

    async with serving(max_upload_bytes=2_000_000) as daemon:
        headers = {"Content-Type": "multipart/form-data; boundary=xx", "Content-Length": "1000000000"}
        url = f"{daemon.http}/v1/audio/transcriptions"
        async with aiohttp.ClientSession() as http, http.post(url, data=b"", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (413, "message_too_big")
        status, answer = await post(daemon, [("model", "m"), ("file", bytes(4_000_000))])
        assert (status, answer["error"]["param"]) == (413, "file")
        form = aiohttp.FormData()
        form.add_field("model", "m")
        form.add_field("file", endless(), filename="zeros.wav")
        async with aiohttp.ClientSession() as http, http.post(url, data=form) as answer:
            assert (answer.status, (await answer.json())["error"]["param"]) == (413, "file")


@pytest.mark.parametrize("first_bytes", [4, 30_000])
async def test_a_stalled_upload_is_given_up_and_counted_once(serving, make_wav, first_bytes):
    """With few bytes there is no session yet, with many it has begun."""

    async def stalling():
        yield make_wav(1)[:first_bytes]
        await asyncio.sleep(20)

    form = aiohttp.FormData()
    form.add_field("model", "m")
    form.add_field("file", stalling(), filename="slow.wav")
    began = time.monotonic()
    async with (
        serving(upload_timeout_seconds=0.3) as daemon,
        aiohttp.ClientSession() as http,
        http.post(f"{daemon.http}/v1/audio/transcriptions", data=form) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (408, "idle_timeout")
        for labels in ({}, {"reason": "idle_timeout"}):
            refused = await metric(daemon.http, "wlkd_sessions_refused_total", **labels)
            assert refused + await metric(daemon.http, "wlkd_sessions_closed_total", **labels) == 1
    assert time.monotonic() - began < 10


async def test_a_client_that_leaves_takes_its_transcription_along(serving, make_wav, says, caplog):
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.1}},
        "sessions": {"max_sessions": 1},
        "worker": {"max_chunk_seconds": 1},
    }
    async with serving(values) as daemon:
        leaving = asyncio.create_task(post(daemon, [("model", "m"), ("file", make_wav(600))]))
        await until_metric(daemon.http, "wlkd_sessions_open", 1)
        status, answer = await post(daemon, [("model", "m"), ("file", make_wav(1))])
        assert (status, answer["error"]["code"], answer["error"]["type"]) == (503, "server_full", "server_error")
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await until_metric(daemon.http, "wlkd_sessions_open", 0)
        assert (await post(daemon, [("model", "m"), ("file", make_wav(1))]))[1]["text"] == says(1)
    assert "Traceback" not in caplog.text


async def test_live_sessions_come_first(serving, make_wav):
    """While an upload has much to do, the words of a live session are not behind it."""
    options = {"transports": {"openai": {}, "websocket": {}}}
    values = {"backend": {"name": "scripted", "options": {"step_seconds": 0.05}}, "worker": {"max_chunk_seconds": 1}}
    async with serving({**values, **options}) as daemon, aiohttp.ClientSession() as http:
        upload = asyncio.create_task(post(daemon, [("model", "m"), ("file", make_wav(60))]))
        async with http.ws_connect(f"{daemon.ws}/asr?format=pcm") as live:
            while not (before := await metric(daemon.http, "wlkd_words_committed_total")):
                pass
            await live.send_bytes(bytes(64_000))
            await live.send_bytes(b"")
            async for message in live:
                if json.loads(message.data)["type"] == "ready_to_stop":
                    break
            between = await metric(daemon.http, "wlkd_words_committed_total") - before
            assert between < 40 and not upload.done()
        status, answer = await upload
    assert status == 200
    assert len(answer["text"].split()) == 120


async def test_a_token_is_asked_for_where_there_are_tokens(serving, make_wav, says, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with serving({"auth": {"tokens_file": str(tokens)}}) as daemon:
        async with client(daemon, "wrong") as api:
            with pytest.raises(openai.AuthenticationError) as caught:
                await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(1)))
            assert caught.value.code == "invalid_api_key"
            with pytest.raises(openai.AuthenticationError):
                await api.models.list()
        async with client(daemon, "sesame") as api:
            assert (await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(1)))).text == says(1)


async def test_a_failing_backend_is_a_server_error(serving, make_wav):
    values = {"backend": {"name": "scripted", "options": {"fail_on": " three"}}, "worker": {"max_chunk_seconds": 1}}
    async with serving(values) as daemon, client(daemon) as api:
        with pytest.raises(openai.InternalServerError) as caught:
            await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(5)))
        assert caught.value.code == "backend_failed"
        stream = await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(5)), stream=True)
        with pytest.raises(openai.APIError, match="failed"):
            [event async for event in stream]


async def test_an_upload_is_never_too_slow(serving, make_wav):
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.1}},
        "sessions": {"max_backlog_seconds": 1.0, "max_blocked_seconds": 0.05},
        "worker": {"max_chunk_seconds": 1},
    }
    async with serving(values) as daemon:
        status, answer = await post(daemon, [("model", "m"), ("file", make_wav(8))])
    assert (status, len(answer["text"].split())) == (200, 16)


async def test_a_client_that_leaves_within_its_upload_is_no_error_of_the_server(serving, says, make_wav, caplog):
    values = {"sessions": {"max_sessions": 1}}
    async with serving(values) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            b"Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=xx\r\n\r\n"
        )
        await reader.readuntil(b"100 Continue")
        writer.write(
            b'--xx\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
            b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
        )
        await writer.drain()
        writer.transport.abort()
        assert (await post(daemon, [("model", "m"), ("file", make_wav(1))]))[1]["text"] == says(1)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_comes_back_at_once_finds_its_place(serving, make_wav, says, stream):
    async with serving({"sessions": {"max_sessions": 1}}) as daemon, client(daemon) as api:
        for _ in range(10):
            answer = await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(1)), stream=stream)
            text = [event async for event in answer][-1].text if stream else answer.text
            assert text == says(1)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_contract_of_uploads(stream):
    async def talk(port: int, audio: bytes, **said: Any) -> Told:
        said = {"model": "whisper-1", "file": ("a.wav", audio), "stream": stream, **said}
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0) as api:
            try:
                answer = await api.audio.transcriptions.create(**said)
                if not stream:
                    return Told(answer.text)
                async for event in answer:
                    if event.type == "transcript.text.done":
                        return Told(event.text)
            except openai.APIStatusError as error:
                return Told("", error.body["message"])
            except openai.APIError as error:
                return Told("", error.message)

    mistaken = [partial(talk, response_format="braille"), partial(talk, extra_body={"no_such": "1"})]
    await check_transport(lambda port: OpenAI(OpenAIOptions()), talk, *mistaken)


async def test_fields_as_the_packages_for_node_and_python_nest_them(serving, make_wav, says):
    """`chunking_strategy` is an object, and the granularities come with every format."""
    async with serving() as daemon, openai.AsyncOpenAI(base_url=f"{daemon.http}/v1", api_key="unused") as api:
        answer = await api.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=("a.wav", make_wav(1)),
            chunking_strategy={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
            timestamp_granularities=["word", "segment"],
            response_format="json",
            include=["logprobs"],
        )
        # As the package for Node writes the same.
        fields = [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[prefix_padding_ms]", "300")]
        _, nested = await post(daemon, [*fields, ("include[]", "logprobs"), ("model", "m"), ("file", make_wav(1))])
    assert answer.text == nested["text"] == says(1)


async def test_a_form_without_a_model(serving, make_wav, says):
    """WhisperLiveKit documents `curl -F file=@audio.wav`."""
    async with serving() as daemon:
        _, answer = await post(daemon, [("file", make_wav(1))])
    assert answer["text"] == says(1)


@pytest.mark.parametrize(
    ("languages", "status", "language"),
    [(["de"], 200, "de"), (["de", "fr"], 200, "de"), (["tlh"], 400, None)],
)
async def test_languages_are_the_language_or_those_to_choose_from(serving, make_wav, languages, status, language):
    async with serving() as daemon:
        fields = [*(("languages[]", code) for code in languages), ("response_format", "verbose_json")]
        answered, answer = await post(daemon, [*fields, ("file", make_wav(1))])
    assert answered == status
    if language:
        assert answer["language_code"] == language
