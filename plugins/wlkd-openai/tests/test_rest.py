"""The REST API through the `openai` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import threading
from functools import partial
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.audio import TranscriptionStreamEvent
from pydantic import TypeAdapter
from wlkd_openai import formats
from wlkd_openai.languages import languages
from wlkd_openai.transport import OpenAI, OpenAIOptions

from tests.waiting import metric, until_metric
from wlkd import Line, Word
from wlkd.testing import Told, check_transport

from .rest import client, post


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


async def test_a_long_answer_is_written_while_live_streams_go_on(serving, make_wav, monkeypatch):
    threads, write = [], formats.response

    def response(*arguments):
        threads.append(threading.current_thread())
        return write(*arguments)

    monkeypatch.setattr(formats, "response", response)
    async with serving() as daemon, client(daemon) as api:
        await api.audio.transcriptions.create(model="m", file=("a.wav", make_wav(1)), response_format="srt")
    assert [thread is threading.main_thread() for thread in threads] == [False]


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


async def test_other_rates_and_channels_are_resampled(serving, make_wav, says):
    async with serving() as daemon:
        for rate, channels in [(8_000, 1), (44_100, 2), (48_000, 1)]:
            _, answer = await post(daemon, [("model", "m"), ("file", make_wav(2, rate=rate, channels=channels))])
            assert answer["text"].split()[:3] == says(2).split()[:3]


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
