"""Recordings, through the `deepgram-sdk` package, unmodified; what that package cannot send, through aiohttp."""

from __future__ import annotations

import asyncio
import io
import threading
from functools import partial

import aiohttp
import numpy as np
import pytest
import soundfile
from wlkd_deepgram.text import found
from wlkd_deepgram.transport import Deepgram, DeepgramOptions

from tests.scripted import spoken
from tests.waiting import metric, until_metric
from wlkd.testing import Told, check_transport

from .sdk import client, quiet, serving


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


async def test_the_answer_is_written_beside_the_event_loop(monkeypatch):
    threads = []

    def noting(terms, words):
        threads.append(threading.current_thread())
        return found(terms, words)

    monkeypatch.setattr("wlkd_deepgram.prerecorded.found", noting)
    async with serving() as daemon:
        await client(daemon).listen.v1.media.transcribe_file(request=quiet(1), model="nova-3")
    assert [thread is threading.main_thread() for thread in threads] == [False]


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
        async with http.post(url, data={"file": io.BytesIO(quiet(1))}) as answer:
            assert (answer.status, "itself" in (await answer.json())["err_msg"]) == (400, True)
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


async def test_the_contract_of_recordings():
    async def talk(port: int, audio: bytes, query: str = "", repeat: int = 1) -> Told:
        async with aiohttp.request("POST", f"http://127.0.0.1:{port}/v1/listen{query}", data=audio * repeat) as answer:
            content = await answer.json()
        if answer.status != 200:
            return Told("", content["err_msg"])
        return Told(content["results"]["channels"][0]["alternatives"][0]["transcript"])

    mistaken = [partial(talk, query="?callback=http://here"), partial(talk, repeat=2)]
    await check_transport(lambda port: Deepgram(DeepgramOptions(max_upload_bytes=16_000)), talk, *mistaken)
