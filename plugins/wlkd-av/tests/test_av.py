"""The av decoder on whole recordings, live ones, damaged ones, and things that are no audio at all."""

from __future__ import annotations

import io
import itertools
import re
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wlkd_av import wlkd_choose_decoder
from wlkd_av.decoder import Av
from wlkd_av.options import AvOptions
from wlkd_av.reading import Voice

from wlkd import SAMPLE_RATE, Decoded, DecoderStream, Gap, Note, Samples, SessionError, StreamOffer
from wlkd.testing import as_samples, check_decoder, decoded_items

Recorded = Callable[[str], bytes]

SECONDS = 3.0
NAMES = [
    "webm",
    "webm+video",
    "ogg",
    "fmp4",
    "mp4 faststart",
    "mp4 index last",
    "mp3",
    "flac",
    "wav",
    "wav 16 kHz",
    "wav 44.1 kHz stereo",
    "wav float",
    "wav adpcm",
    "wav 5.1",
    "avi",
    "aac",
    "mkv flac stereo",
]
LIVE = ["webm", "webm+video", "ogg", "fmp4", "mp3", "aac", "wav", "wav 16 kHz", "mkv flac stereo"]


def open_stream(**options: int) -> DecoderStream:
    return Av(AvOptions(**options)).open(StreamOffer())


def decode_in_pieces(factory: Callable[[], DecoderStream], data: bytes, cuts: list[int]) -> Samples:
    """Everything a fresh stream makes of `data` cut at `cuts`."""
    stream = factory()
    try:
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [as_samples(stream.feed(data[a:b])) for a, b in itertools.pairwise(edges)]
        return np.concatenate([*pieces, as_samples(stream.finish())])
    finally:
        stream.close()


def decode(data: bytes, piece: int | None = None, **options: int) -> Samples:
    cuts = list(range(0, len(data), piece)) if piece else []
    return decode_in_pieces(lambda: open_stream(**options), data, cuts)


def refusal(data: bytes, piece: int | None = None, **options: int) -> str:
    """The message with which `data` is found undecodable."""
    with pytest.raises(SessionError) as caught:
        decode(data, piece, **options)
    assert caught.value.code == "undecodable_audio"
    return caught.value.message


def notes(items: Iterable[Decoded]) -> list[Note]:
    return [item for item in items if isinstance(item, Note)]


def chirp() -> Samples:
    """What the recordings hold, at 16 kHz."""
    t = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.4 * np.sin(2 * np.pi * (300 * t + 200 * t**2))).astype(np.float32)


def likeness(samples: Samples) -> float:
    """Correlation with the chirp at the best shift within 50 ms (encoders put a little silence in front)."""
    chirped = chirp()[2000:40000]

    def at(shift: int) -> float:
        heard = samples[2000 + shift : 40000 + shift]
        return float(np.dot(heard, chirped) / (np.linalg.norm(heard) * np.linalg.norm(chirped) + 1e-9))

    return max(at(shift) for shift in range(0, 800))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "wlkd-av"] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece", [None, 700])
def test_every_container(recorded: Recorded, name: str, piece: int | None) -> None:
    samples = decode(recorded(name), piece)
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    assert likeness(samples) > 0.98


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cuts_change_nothing(recorded: Recorded, name: str, data: st.DataObject) -> None:
    recording = recorded(name)
    cuts = data.draw(st.lists(st.integers(0, len(recording)), max_size=30))
    assert np.array_equal(decode(recording), decode_in_pieces(open_stream, recording, cuts))


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_of_decoders(recorded: Recorded, name: str) -> None:
    check_decoder(open_stream, recorded(name))


@pytest.mark.parametrize("name", LIVE)
def test_live_samples_come_at_once(recorded: Recorded, name: str) -> None:
    """Fed in real time in pieces of a quarter of a second, a stream is never half a second behind."""
    recording = recorded(name)
    pieces = int(SECONDS * 4)
    stream = open_stream()
    received = 0
    for i in range(pieces):
        piece = recording[len(recording) * i // pieces : len(recording) * (i + 1) // pieces]
        received += len(as_samples(stream.feed(piece)))
        assert received / SAMPLE_RATE > (i + 1) / 4 - 0.5
    stream.close()


@pytest.mark.parametrize("name", ["webm", "ogg", "fmp4", "mp3", "aac", "wav", "wav adpcm", "flac"])
@pytest.mark.parametrize("piece", [None, 500])
def test_half_a_container_counts_as_far_as_it_goes(recorded: Recorded, name: str, piece: int | None) -> None:
    recording = recorded(name)
    samples = decode(recording[: len(recording) * 2 // 3], piece)
    assert 1.2 < len(samples) / SAMPLE_RATE < 2.3


@pytest.mark.parametrize("name", ["wav", "wav 44.1 kHz stereo", "flac", "mp4 faststart"])
def test_what_a_header_promises_and_is_not_there_is_told(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    # A live recorder does not know the length of what it begins.
    if name == "flac":
        recording = recording[:22] + int(SECONDS * 48000).to_bytes(4, "big") + recording[26:]
    unknown = recording.find(b"data\xff\xff\xff\xff")
    if unknown > 0:
        at = unknown + 8
        recording = recording[: at - 4] + struct.pack("<I", len(recording) - at) + recording[at:]
    whole, cut = (decoded_items(open_stream(), [data]) for data in (recording, recording[: len(recording) // 5]))
    assert not any(note.code == "cut_short" for note in notes(whole))
    assert [note.message for note in notes(cut)][-1].endswith("of 3.0 s are there")


@pytest.mark.parametrize("name", ["webm", "fmp4", "mp4 index last", "mp3"])
def test_a_header_cut_off_is_undecodable(recorded: Recorded, name: str) -> None:
    assert re.search("no audio|index is missing", refusal(recorded(name)[:60]))


@pytest.mark.parametrize("name", ["webm", "ogg", "fmp4", "mp3", "wav"])
def test_a_recorder_that_starts_again(recorded: Recorded, name: str) -> None:
    for piece in (None, 1, 701) if name == "webm" else (None, 701):
        samples = decode(recorded(name) * 2, piece)
        assert len(samples) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.15)


def test_aac_that_goes_on_at_another_rate_has_no_holes(recorded: Recorded) -> None:
    items = decoded_items(open_stream(), [recorded("aac 22 kHz"), recorded("aac")])
    assert not any(isinstance(item, Gap) for item in items)
    assert len(as_samples(items)) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.15)


def test_a_restarted_header_cut_anywhere(recorded: Recorded) -> None:
    recording = recorded("webm")
    whole = decode(recording * 2)
    for cut in range(len(recording) - 2, len(recording) + 20):
        assert np.array_equal(decode_in_pieces(open_stream, recording * 2, [cut]), whole)


def test_containers_without_end_and_without_audio_are_refused(recorded: Recorded) -> None:
    recording = recorded("webm")
    broken, empty = recording[:60], recording[: recording.index(b"\x1f\x43\xb6\x75")]
    for container in (broken, empty):
        assert "containers in a row without audio" in refusal(container * 1000)


def test_a_recording_of_nothing_is_empty(recorded: Recorded) -> None:
    recording = recorded("wav")
    assert len(decode(recording[: recording.index(b"data") + 8])) == 0


def test_a_recording_comes_before_the_broken_one_behind_it(recorded: Recorded) -> None:
    recording = recorded("webm")
    items = decoded_items(open_stream(), [recording + recording.replace(b"A_OPUS", b"A_XPUS")])
    assert len(as_samples(items)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    (note,) = notes(items)
    assert note.code == "cut_short" and "codec is unknown" in note.message


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 4000])
@pytest.mark.parametrize("channels", [1, 2, 6, 9, 33, 64])
def test_wav_that_lies_about_its_length(length: int, channels: int) -> None:
    block = 2 * channels
    fmt = struct.pack("<HHIIHH", 1, channels, SAMPLE_RATE, SAMPLE_RATE * block, block, 16)
    header = b"RIFF" + struct.pack("<I", length) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
    data = header + b"junk" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", length)
    samples = decode(data + struct.pack("<h", 8192) * SAMPLE_RATE * channels, 1000)
    assert len(samples) == SAMPLE_RATE
    assert samples[8000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("piece", [777, None])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("tag", "kind", "loud"), [(1, "h", 8192), (3, "f", 0.25), (0xFFFE, "h", 8192)])
def test_wav_with_the_high_byte_first(tag: int, kind: str, loud: float, channels: int, piece: int | None) -> None:
    width = struct.calcsize(f">{kind}")
    fmt = struct.pack(">HHIIHH", tag, channels, 16_000, 16_000 * width * channels, width * channels, 8 * width)
    if tag == 0xFFFE:
        fmt += struct.pack(">HHII", 22, 16, 0, 1) + bytes.fromhex("00000010800000aa00389b71")
    samples = struct.pack(f">{kind}", loud) * 4000 * channels
    sizes = [struct.pack(">I", len(part)) for part in (fmt, samples)]
    data = b"RIFX\0\0\0\0WAVEfmt " + sizes[0] + fmt + b"data" + sizes[1] + samples
    heard = decode(data, piece)
    assert len(heard) == 4000
    assert heard[2000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("kind", [b"RIFF", b"RIFX"])
@pytest.mark.parametrize(("bits", "width"), [(12, 2), (20, 3), (24, 3), (32, 4)])
def test_wav_of_a_depth_between_bytes(kind: bytes, bits: int, width: int) -> None:
    order = "<" if kind == b"RIFF" else ">"
    fmt = struct.pack(f"{order}HHIIHH", 1, 1, SAMPLE_RATE, SAMPLE_RATE * width, width, bits)
    # A number's bits stand at the top of its bytes.
    sample = (1 << (8 * width - 3)).to_bytes(width, "little" if kind == b"RIFF" else "big")
    sizes = [struct.pack(f"{order}I", size) for size in (len(fmt), 4000 * width)]
    heard = decode(kind + b"\0\0\0\0WAVEfmt " + sizes[0] + fmt + b"data" + sizes[1] + sample * 4000)
    assert len(heard) == 4000
    assert heard[2000] == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"hello, this is no audio. " * 100, "text ('hello, this"),
        (b"<!DOCTYPE html><html>" * 100, "markup"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "PNG"),
        (b"%PDF-1.7" + bytes(5000), "PDF"),
        (bytes(5000), "zero bytes"),
        (np.random.default_rng(1).bytes(300_000), "unknown data"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n" * 50, "playlist"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n" * 60, "text"),
        (b"abc", "text ('abc')"),
        (b"\x00", "zero bytes"),
    ],
)
@pytest.mark.parametrize("piece", [None, 1000])
def test_rubbish_is_named(data: bytes, found: str, piece: int | None) -> None:
    assert found in refusal(data, piece)


def test_a_film_without_sound_is_named() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        video = container.add_stream("libvpx", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = i
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    assert "no audio in it, but video" in refusal(file.getvalue())


def test_a_codec_unknown_to_libav_is_named(recorded: Recorded) -> None:
    assert "codec" in refusal(recorded("webm").replace(b"A_OPUS", b"A_XPUS"))


def test_an_empty_stream_ends_empty() -> None:
    assert len(decode(b"")) == 0


def test_damage_is_skipped(recorded: Recorded) -> None:
    recording = bytearray(recorded("mp3"))
    recording[8000:9000] = np.random.default_rng(3).bytes(1000)
    samples = decode(bytes(recording), 900)
    assert len(samples) / SAMPLE_RATE > SECONDS - 0.5


def test_damage_up_to_the_end_is_told(recorded: Recorded) -> None:
    recording = bytearray(recorded("aac"))
    noise = np.random.default_rng(4)
    at = 4000
    while (at := recording.find(b"\xff\xf1", at)) >= 0:
        # The frames keep their headers, so that libav finds them and cannot decode them.
        recording[at + 9 : at + 150] = noise.bytes(141)
        at += 150
    items = decoded_items(open_stream(), [bytes(recording)])
    assert [note.code for note in notes(items)][-1] in ("cut_short", "damaged")


def test_a_phone_that_leaves_silence_out_does_no_damage() -> None:
    noise = np.random.default_rng(5)
    # Speech of 12.2 kbit/s; what the silence sounds like, every eighth frame; nothing.
    speech = [b"\x3c" + noise.bytes(31) for _ in range(50)]
    silence = [b"\x44" + noise.bytes(5) if n % 8 == 0 else b"\x7c" for n in range(100)]
    items = decoded_items(open_stream(), [b"#!AMR\n", *speech, *silence, *speech, *silence])
    assert [round(item.length / SAMPLE_RATE, 1) for item in items if isinstance(item, Gap)] == [2.0]
    assert len(as_samples(items)) / SAMPLE_RATE == pytest.approx(4.0, abs=0.05)
    assert not notes(items)


def test_a_damaged_frame_does_not_drown_what_is_beside_it() -> None:
    decoded = np.array([[0.5, 3e5, -3e5, -0.5]], np.float32)
    frame = av.AudioFrame.from_ndarray(decoded, format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    voice = Voice(floats=False)
    samples = [item for item in (*voice.take(frame), *voice.rest()) if not isinstance(item, Note)]
    assert np.concatenate(samples).tolist() == [0.5, 1.0, -1.0, -0.5]


def test_probing_is_bounded(recorded: Recorded) -> None:
    recording = recorded("webm")
    tracks = recording.index(b"\x16\x54\xae\x6b")
    # A valid void element of 1 MiB in front of the tracks.
    padded = recording[:tracks] + b"\xec\x10\x10\x00\x00" + bytes(1 << 20) + recording[tracks:]
    assert len(decode(padded, 4096)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    assert "no audio stream within" in refusal(padded, 4096, max_probe_bytes=100_000)


def test_an_mp4_with_its_index_last_is_kept_up_to_a_limit(recorded: Recorded) -> None:
    assert "faststart" in refusal(recorded("mp4 index last"), 1000, max_file_bytes=10_000)


@pytest.mark.parametrize(
    ("beginning", "box"),
    [
        (b"\0\0\0\x10ftypisom\0\0\0\0", b"\0\0\0\x08free"),
        (b"RIFF\0\0\0\0WAVE", b"LIST\0\0\0\0"),
    ],
)
def test_a_header_without_end_is_not_read_again_and_again(beginning: bytes, box: bytes) -> None:
    began = time.process_time()
    assert "cannot decode this" in refusal(beginning + box * 60_000, 1000, max_probe_bytes=400_000)
    assert time.process_time() - began < 2


def test_a_bomb_does_not_go_off() -> None:
    """Ten minutes of silence in a few kilobytes of FLAC."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        for _ in range(600 * 16000 // 4608):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(decode(file.getvalue())) / SAMPLE_RATE == pytest.approx(600, abs=1)
    items = decoded_items(open_stream(max_burst_seconds=60), [file.getvalue()])
    assert "more than 60 s" in notes(items)[-1].message
    assert len(as_samples(items)) / SAMPLE_RATE < 250


@pytest.mark.parametrize("rate", [1, 50_000_000])
def test_rates_of_no_sound_card_are_undecodable(rate: int) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + bytes(20_000)
    assert f"{rate} Hz" in refusal(data)


def test_more_channels_than_any_mixer_are_undecodable() -> None:
    fmt = struct.pack("<HHIIHH", 1, 200, 16000, 16000 * 400, 400, 16)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + bytes(80_000)
    assert "200 channels" in refusal(data)


def wav_of_floats(samples: NDArray[np.float32]) -> bytes:
    fmt = struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0" + samples.astype("<f4").tobytes()


def test_floats_that_are_no_numbers_are_silence() -> None:
    floats = chirp()
    floats[5000:6000:7] = np.nan
    floats[7000] = np.inf
    items = decoded_items(open_stream(), [wav_of_floats(floats)])
    assert [note.code for note in notes(items)] == ["level"]
    assert likeness(as_samples(items)) > 0.98


@pytest.mark.parametrize("factor", [1.2, 5.0, 60.0, 32767.0, 2.0**31])
def test_floats_of_any_scale(factor: float) -> None:
    """As scipy writes integers, as mixers overshoot, and as recorders that write floats leave the level to later."""
    floats = chirp() * 2 * np.float32(factor)
    samples = decode(wav_of_floats(floats))
    assert likeness(samples) > 0.97
    assert 0.3 < np.abs(samples).max() <= 1


@pytest.mark.parametrize("fed", [0, 3, 100, 5000])
def test_closing_in_mid_stream_leaves_nothing(recorded: Recorded, fed: int) -> None:
    threads, descriptors = threading.active_count(), open_descriptors()
    for name in ("webm", "mp3", "mp4 index last"):
        stream = open_stream()
        as_samples(stream.feed(recorded(name)[:fed]))
        stream.close()
        stream.close()
    assert (threading.active_count(), open_descriptors()) == (threads, descriptors)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_idle_streams_have_no_thread(recorded: Recorded) -> None:
    before = threading.active_count()
    streams = [open_stream() for _ in range(200)]
    assert threading.active_count() == before
    for stream in streams:
        stream.close()


def test_many_streams_at_once(recorded: Recorded) -> None:
    recording = recorded("webm")
    streams = [open_stream() for _ in range(60)]
    counts = [0] * len(streams)
    for start in range(0, len(recording), 1500):
        for i, stream in enumerate(streams):
            counts[i] += len(as_samples(stream.feed(recording[start : start + 1500])))
    for i, stream in enumerate(streams):
        counts[i] += len(as_samples(stream.finish()))
        stream.close()
    assert set(counts) == {len(decode(recording))}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_harms_nobody(recorded: Recorded, name: str, data: st.DataObject) -> None:
    """Any damage ends in samples or in `undecodable_audio`: nothing else, and no thread is left."""
    recording = bytearray(recorded(name)[:20_000])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(recording) - 1), st.integers(0, 255)), max_size=60)
    ):
        recording[at] = value
    try:
        decode(bytes(recording), data.draw(st.sampled_from([None, 333])))
    except SessionError as error:
        assert error.code == "undecodable_audio"


def test_choice() -> None:
    assert wlkd_choose_decoder(StreamOffer()) == "av"
    assert wlkd_choose_decoder(StreamOffer(content_type="audio/mp4")) == "av"
