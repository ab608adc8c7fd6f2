"""The form of an upload: its fields in every order and spelling, and what is refused in words."""

from __future__ import annotations

import aiohttp
import openai
import pytest

from .rest import post


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
