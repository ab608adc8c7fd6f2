"""Packets of Opus without a container."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions

from wlkd import DecoderStream, Gap, Note, SessionError, StreamOffer
from wlkd.testing import as_samples, check_decoder, decoded_items

from .decoding import Recorded

RATE = 48_000


def tone(seconds: float, layout: str = "mono") -> list[bytes]:
    """Packets of 20 ms of a tone; of stereo on the left side alone."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.time_base = RATE, layout, "s16", Fraction(1, RATE)
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)
    sides = np.stack([wave, np.zeros_like(wave)], axis=1) if layout == "stereo" else wave[:, None]
    packets = []
    for start in range(0, len(wave), 960):
        frame = av.AudioFrame.from_ndarray(sides[start : start + 960].reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = RATE, start
        packets += map(bytes, encoder.encode(frame))
    return packets


def framed(packets: list[bytes]) -> bytes:
    return b"".join(len(packet).to_bytes(4, "big") + packet for packet in packets)


def opened(channels: int | None = None) -> DecoderStream:
    return Av(AvOptions()).open(StreamOffer(encoding="opus", channels=channels))


def loudness(stream: DecoderStream, data: bytes) -> tuple[float, float]:
    """Seconds, and the root of the mean power."""
    samples = as_samples(stream.feed(data))
    samples = np.concatenate([samples, as_samples(stream.finish())])
    return len(samples) / 16_000, float(np.sqrt(np.mean(samples**2)))


def test_the_contract() -> None:
    check_decoder(opened, framed(tone(2.0)))


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_whatever_the_packets_hold_is_heard(layout: str) -> None:
    seconds, level = loudness(opened(), framed(tone(1.0, layout)))
    assert seconds == pytest.approx(1.0, abs=0.03)
    expected = 8000 / 32768 / np.sqrt(2)
    assert level == pytest.approx(expected if layout == "mono" else expected / 2, rel=0.1)


def test_a_damaged_packet_leaves_a_hole_of_its_length_and_is_told_once() -> None:
    packets = tone(1.0)
    packets[20:23] = [b"\xff\xff"] * 3
    items = decoded_items(opened(), [framed(packets)])
    assert [item.code for item in items if isinstance(item, Note)] == ["damaged"]
    assert [item.length for item in items if isinstance(item, Gap)] == [320] * 3


def test_bytes_that_are_no_packets_end_the_stream() -> None:
    with pytest.raises(SessionError, match="no Opus packets"):
        list(opened().feed(framed([b"\xff\xff"] * 60)))
    stream = opened()
    list(stream.feed(framed(tone(0.1))))
    with pytest.raises(SessionError, match="no Opus packet"):
        list(stream.feed(b"\x7f\xff\xff\xff"))


def test_a_container_without_lengths_is_refused_at_once(recorded: Recorded) -> None:
    """Its first bytes would be a length of a gigabyte, which nobody may fill the memory with."""
    with pytest.raises(SessionError, match="need not be announced as opus"):
        list(opened().feed(recorded("ogg")[:100]))


def test_a_piece_of_a_container_is_heard_as_it_comes(recorded: Recorded) -> None:
    data = recorded("ogg")
    stream = opened()
    heard = [len(as_samples(stream.feed(part))) for part in (framed([data])[:10_000], framed([data])[10_000:])]
    stream.close()
    assert min(heard) > 0
