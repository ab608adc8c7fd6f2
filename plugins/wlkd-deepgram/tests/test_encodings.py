"""Every form of live audio: raw samples, containers, and packets of Opus."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.scripted import spoken

from .sdk import client, finals, hear, quiet, serving


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
