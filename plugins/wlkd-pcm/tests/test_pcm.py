"""The pcm decoder: every encoding against values computed apart from it, pieces cut anywhere, any rate."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wlkd_pcm import wlkd_choose_decoder
from wlkd_pcm.decoder import Pcm, PcmOptions

from wlkd import DecoderStream, Samples, SessionError, StreamOffer
from wlkd.testing import as_samples, check_decoder, speech_like


def open_stream(**offer: object) -> DecoderStream:
    return Pcm(PcmOptions()).open(StreamOffer(**offer))  # type: ignore[arg-type]


def decode(data: bytes, cuts: list[int] | None = None, **offer: object) -> Samples:
    return decode_in_pieces(lambda: open_stream(**offer), data, cuts or [])


def decode_in_pieces(factory: Callable[[], DecoderStream], data: bytes, cuts: list[int]) -> Samples:
    """Everything a fresh stream makes of `data` cut at `cuts`."""
    stream = factory()
    edges = [0, *sorted(cuts), len(data)]
    pieces = [as_samples(stream.feed(data[a:b])) for a, b in itertools.pairwise(edges)]
    samples = np.concatenate([*pieces, as_samples(stream.finish())])
    stream.close()
    return samples


def sine(rate: int, seconds: float = 1.0, hz: float = 440.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


INTEGERS = [-1.0, -0.5, 0.0, 0.5]


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("s16le", struct.pack("<4h", -32768, -16384, 0, 16384)),
        ("s16be", struct.pack(">4h", -32768, -16384, 0, 16384)),
        ("s24le", b"\x00\x00\x80\x00\x00\xc0\x00\x00\x00\x00\x00\x40"),
        ("s24be", b"\x80\x00\x00\xc0\x00\x00\x00\x00\x00\x40\x00\x00"),
        ("s32le", struct.pack("<4i", -(2**31), -(2**30), 0, 2**30)),
        ("f32le", struct.pack("<4f", -1, -0.5, 0, 0.5)),
        ("u8", bytes([0, 64, 128, 192])),
    ],
)
def test_linear_encodings(encoding: str, data: bytes) -> None:
    assert decode(data, encoding=encoding).tolist() == INTEGERS


@pytest.mark.parametrize(
    ("encoding", "code", "value"),
    [
        # ITU-T G.711: the largest, the smallest and one in the middle, in 16-bit units.
        ("mulaw", 0x80, 32124),
        ("mulaw", 0x00, -32124),
        ("mulaw", 0xFF, 0),
        ("mulaw", 0x7F, 0),
        ("mulaw", 0xFE, 8),
        ("mulaw", 0xA5, 6652),
        ("alaw", 0xAA, 32256),
        ("alaw", 0x2A, -32256),
        ("alaw", 0xD5, 8),
        ("alaw", 0x55, -8),
        ("alaw", 0x85, 4224),
        ("alaw", 0xC5, 264),
    ],
)
def test_g711(encoding: str, code: int, value: int) -> None:
    assert decode(bytes([code]), encoding=encoding, sample_rate=16000)[0] * 32768 == value


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers_are_silence(bad: float) -> None:
    data = struct.pack("<2f", 0.1, bad) * 1000
    assert decode(data, encoding="f32le") == pytest.approx([0.1, 0.0] * 1000)


def test_loud_floats_are_clipped() -> None:
    assert decode(struct.pack("<2f", 1.3, -3e38) * 1000, encoding="f32le").tolist() == [1.0, 0.0] * 1000


def test_integers_written_as_floats_keep_their_scale() -> None:
    data = (np.sin(np.arange(16000) / 20) * 20000).astype(np.int16).astype("<f4").tobytes()
    samples = decode(data, encoding="f32le")
    assert np.abs(samples).max() == pytest.approx(20000 / 32768, abs=0.001)


def test_floats_cut_off_at_full_scale_are_not_taken_for_integers() -> None:
    """A bump against the microphone, louder than a sound card can tell."""
    speech = (0.3 * np.sin(np.arange(16000) / 20)).astype("<f4")
    bump = np.repeat(np.float32([1, -1]), 2400)
    samples = decode(np.concatenate([speech, bump, speech]).tobytes(), encoding="f32le")
    assert samples[-16000:] == pytest.approx(speech)


def test_integers_that_begin_with_their_last_bit_are_not_loud() -> None:
    dither = np.random.default_rng(1).integers(-1, 2, 3200)
    data = np.concatenate([dither, np.sin(np.arange(16000) / 20) * 20000]).astype(np.int16).astype("<f4").tobytes()
    samples = decode(data, encoding="f32le")
    assert np.abs(samples[:3200]).max() < 0.001
    assert np.abs(samples).max() == pytest.approx(20000 / 32768, abs=0.001)


def test_channels_that_cancel_are_turned_over() -> None:
    left = (np.sin(np.arange(16000) / 20) * 8000).astype("<i2")
    data = np.stack([left, -left], axis=1).tobytes()
    assert np.abs(decode(data, encoding="s16le", channels=2)).max() == pytest.approx(8000 / 32768, abs=0.001)


def test_channels_are_mixed_by_mean() -> None:
    data = struct.pack("<6h", 16384, 0, -8192, 8192, 32767, 32767)
    assert decode(data, encoding="s16le", channels=2) == pytest.approx([0.25, 0.0, 32767 / 32768])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24000, 44100, 48000, 96000])
def test_any_rate_comes_out_at_16_khz(rate: int) -> None:
    samples = decode(sine(rate).tobytes(), encoding="f32le", sample_rate=rate)
    assert abs(len(samples) - 16000) <= 1
    middle = slice(800, 15200)
    assert np.abs(samples[middle] - sine(16000)[middle]).max() < 2e-3


def test_resampling_holds_back_little() -> None:
    """Live words wait for the resampler: most of a second must be out before the stream ends."""
    samples = as_samples(open_stream(encoding="f32le", sample_rate=48000).feed(sine(48000).tobytes()))
    assert len(samples) > 16000 - 800


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(["s16le", "s24le", "s32le", "u8", "mulaw"]),
    rate=st.sampled_from([8000, 16000, 44100]),
    channels=st.integers(1, 3),
    data=st.binary(max_size=3000),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
)
def test_cuts_change_nothing(encoding: str, rate: int, channels: int, data: bytes, cuts: list[int]) -> None:
    offer = {"encoding": encoding, "sample_rate": rate, "channels": channels}
    whole = decode(data, **offer)
    cut = decode(data, [min(c, len(data)) for c in cuts], **offer)
    assert len(whole) == len(cut)
    assert cut == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("encoding", ["s16le", "s24le", "f32le"])
def test_the_contract_of_decoders(encoding: str, rate: int) -> None:
    noise = (20_000 * speech_like(1, rate=rate)).astype("<i4")
    data = {
        "s16le": noise.astype("<i2").tobytes(),
        "s24le": noise.view(np.uint8).reshape(-1, 4)[:, :3].tobytes(),
        "f32le": speech_like(1, rate=rate).tobytes(),
    }[encoding]
    check_decoder(lambda: open_stream(encoding=encoding, sample_rate=rate), data)


def test_an_empty_stream_ends_empty() -> None:
    for rate in (16000, 48000):
        stream = open_stream(encoding="s16le", sample_rate=rate)
        assert len(as_samples(stream.feed(b""))) == 0
        assert len(as_samples(stream.finish())) == 0
        stream.close()


def test_a_sample_cut_off_at_the_end_is_left_out() -> None:
    assert decode(b"\x00\x40\x00", encoding="s16le").tolist() == [0.5]


@pytest.mark.parametrize(
    ("offer", "choice"),
    [
        (StreamOffer(), None),
        (StreamOffer(encoding="s16le", sample_rate=44100), "pcm"),
        (StreamOffer(encoding="S16LE"), "pcm"),
        (StreamOffer(encoding="opus"), None),
        (StreamOffer(content_type="audio/webm;codecs=opus"), None),
        (StreamOffer(content_type="audio/L16;rate=44100;channels=2"), "pcm"),
        (StreamOffer(content_type="audio/basic"), "pcm"),
        (StreamOffer(content_type="audio/pcm; rate=24000"), "pcm"),
        (StreamOffer(content_type="audio/wav", encoding="s16le"), "pcm"),
        (StreamOffer(content_type="nonsense"), None),
    ],
)
def test_choice(offer: StreamOffer, choice: str | None) -> None:
    assert wlkd_choose_decoder(offer) == choice


def test_mime_parameters_count() -> None:
    samples = decode(bytes(4 * 48000), content_type="audio/L16; rate=48000; channels=2")
    assert abs(len(samples) - 16000) <= 1


def test_g711_is_telephone_rate_unless_said_otherwise() -> None:
    assert abs(len(decode(bytes(8000), content_type="audio/basic")) - 16000) <= 1
    assert len(decode(bytes(16000), encoding="mulaw", sample_rate=16000)) == 16000


def test_a_silent_offer_gets_the_configured_format() -> None:
    decoder = Pcm(PcmOptions(encoding="s16be", sample_rate=8000, channels=2))
    samples = decode_in_pieces(lambda: decoder.open(StreamOffer()), struct.pack(">2h", 16384, 16384) * 8000, [])
    assert len(samples) == 16000
    assert samples[8000] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    "offer",
    [
        {"encoding": "opus"},
        {"content_type": "audio/webm"},
        {"encoding": "s16le", "sample_rate": 0},
        {"encoding": "s16le", "sample_rate": 10**9},
        {"encoding": "s16le", "channels": 0},
        {"encoding": "s16le", "channels": 65},
        {"content_type": "audio/L16; rate=fast"},
    ],
)
def test_offers_that_cannot_be_served(offer: dict[str, object]) -> None:
    with pytest.raises(SessionError) as caught:
        open_stream(**offer)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "WebM"),
        (b"OggS\0\x02", "Ogg"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"\0\0\0\x1cftypisom", "MP4"),
    ],
)
@pytest.mark.parametrize("cuts", [[], [1, 2, 70]])
def test_a_recording_in_place_of_samples_is_told(start: bytes, name: str, cuts: list[int]) -> None:
    with pytest.raises(SessionError, match=f"this is {name}, not raw samples .s16le.: .* /asr.format=container"):
        decode(start + bytes(2000), cuts, encoding="s16le")


def test_samples_that_look_like_a_recording_later_on_are_samples() -> None:
    assert len(decode(bytes(2000) + b"OggS\0\x02" + bytes(2000), [2000], encoding="s16le")) == 2003


def test_the_header_of_a_wav_is_no_hindrance() -> None:
    assert len(decode(b"RIFF" + bytes(4000), encoding="s16le")) == 2002
