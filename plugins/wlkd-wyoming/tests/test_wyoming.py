"""The protocol through the client of the `wyoming` package, unmodified; what that cannot send, through a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import soundfile
from wlkd_wyoming.transport import Wyoming, WyomingOptions
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from tests.scripted import spoken
from tests.waiting import until_metric
from wlkd import ConfigError
from wlkd.testing import RunningDaemon, Told, check_transport, free_port, running_daemon


@asynccontextmanager
async def serving(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[tuple[RunningDaemon, int]]:
    """The daemon, and the transport's port."""
    port = free_port()
    transports = {"wyoming": {"host": "127.0.0.1", "port": port, **options}}
    async with running_daemon({"vad": {"name": "none"}, "transports": transports, **(values or {})}) as daemon:
        yield daemon, port


@asynccontextmanager
async def listening(values: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[int]:
    """The transport's port."""
    async with serving(values, **options) as (_, port):
        yield port


def client(port: int) -> AsyncClient:
    return AsyncTcpClient("127.0.0.1", port, read_timeout=10)


async def speak(wyoming: AsyncClient, seconds: float, rate: int = 16_000, width: int = 2, channels: int = 1) -> None:
    """Audio as Home Assistant sends it: start, pieces, stop."""
    await wyoming.write_event(AudioStart(rate, width, channels).event())
    audio = (b"\x80" if width == 1 else b"\0") * (round(seconds * rate) * width * channels)
    for offset in range(0, len(audio), 2048 * width):
        await wyoming.write_event(AudioChunk(rate, width, channels, audio[offset : offset + 2048 * width]).event())
    await wyoming.write_event(AudioStop().event())


async def answer(wyoming: AsyncClient) -> list[Event]:
    """Events up to the transcript or the error."""
    events = []
    while (event := await wyoming.read_event()) is not None:
        events.append(event)
        if Transcript.is_type(event.type) or Error.is_type(event.type):
            break
    return events


async def transcript(wyoming: AsyncClient) -> Transcript:
    return Transcript.from_event((await answer(wyoming))[-1])


async def test_describe_names_the_languages_of_the_backend():
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(Describe().event())
        [program] = Info.from_event(await wyoming.read_event()).asr
    assert program.supports_transcript_streaming
    [model] = program.models
    assert model.installed
    assert model.languages == ["de", "en", "es", "fr", "zh"]


async def test_each_engine_is_a_model_that_can_be_asked_for():
    engines = {"korean": {"name": "scripted", "options": {"languages": ["ko"], "script": [" hana"]}}}
    async with listening({"engines": engines, "routing": {"ko": "korean"}}) as port, client(port) as wyoming:
        await wyoming.write_event(Describe().event())
        [program] = Info.from_event(await wyoming.read_event()).asr
        assert [(model.name, "ko" in model.languages) for model in program.models] == [("wlkd", True), ("korean", True)]
        await wyoming.write_event(Transcribe(name="korean").event())
        await speak(wyoming, 1)
        assert (await transcript(wyoming)).text == "hana hana"


async def test_home_assistant_asks_and_is_answered():
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(Transcribe(name="base", language="de-DE").event())
        await speak(wyoming, 3)
        heard = await transcript(wyoming)
    assert (heard.text, heard.language) == (spoken(3), "de")


async def test_more_names_than_a_model_takes_are_no_mistake(caplog):
    names = [f"Lamp number {number} of the upper floor" for number in range(200)]
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(Transcribe(transcript_names=names).event())
        await speak(wyoming, 1)
        assert (await transcript(wyoming)).text == spoken(1)
        await wyoming.read_event()
        await wyoming.write_event(Transcribe(language="xx", transcript_names=names).event())
        await speak(wyoming, 1)
        assert Error.from_event((await answer(wyoming))[-1]).code == "bad_request"
    assert "words to expect beyond the first ones are left out: hotwords has" in caplog.text


async def test_words_are_streamed_while_the_client_speaks():
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(AudioStart(16_000, 2, 1).event())
        await wyoming.write_event(AudioChunk(16_000, 2, 1, bytes(96_000)).event())
        start = await wyoming.read_event()
        assert TranscriptStart.from_event(start).language == "en"
        first = TranscriptChunk.from_event(await wyoming.read_event())
        assert first.text.startswith(" one")
        await wyoming.write_event(AudioStop().event())
        *chunks, last = await answer(wyoming)
        stop = await wyoming.read_event()
    text = first.text + "".join(TranscriptChunk.from_event(chunk).text for chunk in chunks)
    assert text.strip() == Transcript.from_event(last).text == spoken(3)
    assert stop.type == "transcript-stop"


async def test_streaming_can_be_switched_off():
    async with listening(streaming=False) as port, client(port) as wyoming:
        await wyoming.write_event(Describe().event())
        assert not Info.from_event(await wyoming.read_event()).asr[0].supports_transcript_streaming
        for seconds in (2, 0):
            await speak(wyoming, seconds)
            assert [event.type for event in await answer(wyoming)] == ["transcript"]


@pytest.mark.parametrize("seconds", [0, 2], ids=["without-audio", "silence"])
async def test_a_stream_without_a_word_begins_and_ends_too(seconds):
    async with listening({"vad": {"name": "silero"}}) as port, client(port) as wyoming:
        for _ in range(2):
            await speak(wyoming, seconds)
            events = [await wyoming.read_event() for _ in range(3)]
            assert [event.type for event in events] == ["transcript-start", "transcript", "transcript-stop"]
            assert Transcript.from_event(events[1]).text == ""


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(8_000, 1, 1), (16_000, 3, 1), (22_050, 2, 2), (44_100, 2, 1), (48_000, 4, 2)]
)
async def test_every_format(rate, width, channels):
    async with listening() as port, client(port) as wyoming:
        await speak(wyoming, 1.9, rate, width, channels)
        assert (await transcript(wyoming)).text == spoken(2)


async def test_one_connection_serves_one_request_after_the_other():
    async with listening() as port, client(port) as wyoming:
        for language in ("fr", None):
            await wyoming.write_event(Transcribe(language=language).event())
            await speak(wyoming, 1)
            heard = await transcript(wyoming)
            assert (heard.text, heard.language) == (spoken(1), language or "en")
            await wyoming.read_event()
            await wyoming.write_event(Ping("still there?").event())
            assert Pong.from_event(await wyoming.read_event()).text == "still there?"


async def test_the_server_ends_a_request_when_its_speaker_pauses(speech_dir):
    clip = speech_dir / "en_librispeech_test_clean/1089-134686-0005.flac"
    spoken = soundfile.read(clip, dtype="int16")[0][:48_000].tobytes()
    values = {"vad": {"name": "silero"}}
    async with (
        listening(values, endpoint_seconds=0.5, streaming=False) as port,
        AsyncTcpClient("127.0.0.1", port) as wyoming,
    ):
        await wyoming.write_event(Describe().event())
        assert Info.from_event(await wyoming.read_event()).asr[0].requires_external_vad is False
        for _ in range(2):
            await wyoming.write_event(AudioStart(16_000, 2, 1).event())
            await wyoming.write_event(AudioChunk(16_000, 2, 1, spoken + bytes(32_000)).event())
            assert (await transcript(wyoming)).text.startswith("one two")
            # Until it has read that, a satellite goes on sending.
            await wyoming.write_event(AudioChunk(16_000, 2, 1, bytes(32_000)).event())
            await wyoming.write_event(AudioStop().event())
        await wyoming.write_event(Ping().event())
        assert Pong.is_type((await wyoming.read_event()).type), "nothing was answered twice"


async def test_no_audio_is_an_empty_transcript():
    async with listening() as port, client(port) as wyoming:
        await speak(wyoming, 0)
        assert (await transcript(wyoming)).text == ""


async def test_events_of_other_services_are_dropped():
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(Event("synthesize", {"text": "hello"}))
        await speak(wyoming, 1)
        assert (await transcript(wyoming)).text == spoken(1)


async def test_clients_hear_only_themselves():
    async def ask(port: int, seconds: float) -> str:
        async with client(port) as wyoming:
            await speak(wyoming, seconds)
            return (await transcript(wyoming)).text

    async with listening({"sessions": {"max_sessions": 8}}) as port:
        assert await asyncio.gather(*(ask(port, n) for n in range(1, 9))) == [spoken(n) for n in range(1, 9)]


async def test_a_client_too_many_is_told_so_and_a_place_is_freed_by_leaving():
    async with serving({"sessions": {"max_sessions": 1}}) as (daemon, port):
        async with client(port) as first:
            await first.write_event(AudioChunk(16_000, 2, 1, bytes(96_000)).event())
            await first.read_event()
            async with client(port) as second:
                await speak(second, 30)
                [refusal] = await answer(second)
                assert Error.from_event(refusal).code == "server_full"
        await until_metric(daemon.http, "wlkd_sessions_open", 0)
        async with client(port) as third:
            await speak(third, 1)
            assert (await transcript(third)).text == spoken(1)


async def test_a_client_that_comes_back_at_once_finds_its_place():
    async with listening({"sessions": {"max_sessions": 1}}) as port:
        for _ in range(10):
            async with client(port) as wyoming:
                await speak(wyoming, 1)
                assert (await transcript(wyoming)).text == spoken(1)


async def test_a_client_that_leaves_takes_its_transcription_along():
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.1}},
        "sessions": {"max_sessions": 1},
        "worker": {"max_chunk_seconds": 1},
    }
    async with serving(values) as (daemon, port):
        async with client(port) as leaving:
            await speak(leaving, 25)
            await until_metric(daemon.http, "wlkd_sessions_open", 1)
        await until_metric(daemon.http, "wlkd_sessions_open", 0)
        async with client(port) as wyoming:
            await speak(wyoming, 1)
            assert (await transcript(wyoming)).text == spoken(1)


@pytest.mark.parametrize("stop", [b"", b'{"type": "audio-stop"}\n'], ids=["without-audio-stop", "with-audio-stop"])
async def test_a_client_that_closes_its_direction_behind_the_audio_gets_its_transcript(stop):
    values = {"backend": {"name": "scripted", "options": {"step_seconds": 0.2}}}
    async with listening(values, streaming=False) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await async_write_event(AudioChunk(16_000, 2, 1, bytes(96_000)).event(), writer)
        writer.write(stop)
        writer.write_eof()
        async with asyncio.timeout(10):
            heard = await async_read_event(reader)
            assert await reader.read() == b""
        writer.close()
    assert Transcript.from_event(heard).text == spoken(3)


async def test_requests_that_do_not_wait_are_served_in_order():
    async with listening() as port, client(port) as wyoming:
        await speak(wyoming, 3)
        await speak(wyoming, 1)
        assert (await transcript(wyoming)).text == spoken(3)
        await wyoming.read_event()
        assert (await transcript(wyoming)).text == spoken(1)


CHUNK = {"rate": 16_000, "width": 2, "channels": 1}
BAD = [
    (b"GET / HTTP/1.1\r\n\r\n", "bad_request"),
    (b"[1]\n", "bad_request"),
    (rb'{"type": "ping", "data": {"text": "\ud800"}}' + b"\n", "bad_request"),
    (b'{"type": "\xff"}\n', "bad_request"),
    (b"[" * 60_000 + b"\n", "bad_request"),
    (b'{"data": {}}\n', "bad_request"),
    (b'{"type": "audio-start", "data": 7}\n', "bad_request"),
    (b"x" * 100_000, "message_too_big"),
    (b'{"type": "audio-chunk", "payload_length": 10000000000}\n', "message_too_big"),
    (b'{"type": "audio-chunk", "payload_length": -1}\n', "bad_request"),
    (b'{"type": "audio-chunk", "payload_length": "1"}\n', "bad_request"),
    (b'{"type": "audio-chunk", "data_length": 3}\n{]}', "bad_request"),
    (json.dumps({"type": "audio-chunk", "data": {**CHUNK, "rate": "fast"}}).encode() + b"\n", "bad_request"),
    (json.dumps({"type": "audio-chunk", "data": {**CHUNK, "rate": 3}}).encode() + b"\n", "bad_request"),
    (json.dumps({"type": "audio-chunk", "data": {**CHUNK, "width": 5}}).encode() + b"\n", "bad_request"),
    (json.dumps({"type": "audio-start", "data": {"rate": 16_000}}).encode() + b"\n", "bad_request"),
    (b'{"type": "transcribe", "data": {"language": 7}}\n', "bad_request"),
    (b'{"type": "transcribe", "data": {"transcript_names": "Ada"}}\n', "bad_request"),
    (
        b'{"type": "transcribe", "data": {"language": "tlh"}}\n'
        + json.dumps({"type": "audio-chunk", "data": CHUNK}).encode()
        + b"\n",
        "bad_request",
    ),
]


@pytest.mark.parametrize(("sent", "code"), BAD, ids=lambda value: str(value)[:40])
async def test_mistakes_are_told_and_harm_nobody(sent, code):
    async with listening() as port, client(port) as good:
        await good.write_event(AudioChunk(16_000, 2, 1, bytes(32_000)).event())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(10):
            header = json.loads(await reader.readline())
            data = json.loads(await reader.readexactly(header["data_length"]))
            assert await reader.read() == b""
        writer.close()
        assert (header["type"], data["code"]) == ("error", code)
        await good.write_event(AudioStop().event())
        assert (await transcript(good)).text == spoken(1)


async def test_a_format_that_changes_is_refused():
    async with listening() as port, client(port) as wyoming:
        await wyoming.write_event(AudioStart(16_000, 2, 1).event())
        await wyoming.write_event(AudioChunk(16_000, 2, 1, bytes(64_000)).event())
        await wyoming.write_event(AudioChunk(48_000, 2, 1, bytes(100)).event())
        *_, before = await answer(wyoming)
        _, error = await answer(wyoming)
    assert Transcript.from_event(before).text == spoken(2)
    told = "changed from s16le (16000 Hz, channels: 1) to s16le (48000 Hz, channels: 1); begin a new request"
    assert told in Error.from_event(error).text


async def test_a_failing_backend_is_told():
    values = {"backend": {"name": "scripted", "options": {"fail_on": " three"}}, "worker": {"max_chunk_seconds": 1}}
    async with listening(values) as port, client(port) as wyoming:
        await speak(wyoming, 5)
        assert Error.from_event((await answer(wyoming))[-1]).code == "backend_failed"


async def test_silent_clients_are_sent_away():
    values = {"sessions": {"idle_timeout_seconds": 0.2}}
    async with listening(values, idle_timeout_seconds=0.3) as port, client(port) as asking, client(port) as speaking:
        await speaking.write_event(AudioChunk(16_000, 2, 1, bytes(32_000)).event())
        for wyoming in (asking, speaking):
            assert Error.from_event((await answer(wyoming))[-1]).code == "idle_timeout"


async def test_a_drain_sends_the_transcript_of_what_was_received():
    async with serving(close_timeout_seconds=0.5) as (daemon, port), client(port) as wyoming:
        await wyoming.write_event(AudioChunk(16_000, 2, 1, bytes(32_000 * 4)).event())
        await until_metric(daemon.http, "wlkd_audio_received_seconds_total", 4)
        daemon.daemon.stop()
        assert (await transcript(wyoming)).text == spoken(4)
        assert (await wyoming.read_event()).type == "transcript-stop"
        assert Error.from_event(await wyoming.read_event()).code == "draining"


async def test_tokens_that_no_client_could_send_are_a_mistake_of_the_configuration(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    with pytest.raises(ConfigError, match=r"transports\.wyoming: Wyoming cannot carry a token"):
        async with listening({"auth": {"tokens_file": str(tokens)}}):
            raise AssertionError("started")


async def test_the_contract():
    async def talk(port: int, audio: bytes, *first: Event) -> Told:
        async with client(port) as wyoming:
            for event in first:
                await wyoming.write_event(event)
            await wyoming.write_event(AudioChunk(16_000, 2, 1, audio).event())
            await wyoming.write_event(AudioStop().event())
            last = (await answer(wyoming))[-1]
        if Error.is_type(last.type):
            return Told("", Error.from_event(last).text)
        return Told(Transcript.from_event(last).text)

    options = {"host": "127.0.0.1", "close_timeout_seconds": 1}
    mistaken = [
        lambda port, audio, event=event: talk(port, audio, event)
        for event in (AudioStart(16_000, 7, 1).event(), Event("transcribe", {"language": 7}), Event("audio-chunk", {}))
    ]
    await check_transport(lambda port: Wyoming(WyomingOptions(port=port, **options)), talk, *mistaken)
