"""Clients of the REST API that stall, leave, or come back at once: each place is free again, and no error is logged."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.waiting import metric, until_metric

from .rest import client, post


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
