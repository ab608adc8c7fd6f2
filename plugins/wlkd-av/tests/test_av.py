"""The av decoder on whole recordings, live ones, and things that are no audio at all."""

from __future__ import annotations

import io
import resource
import signal
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wlkd_av import wlkd_choose_decoder

from wlkd import SAMPLE_RATE, SessionRefused, StreamOffer
from wlkd.testing import as_samples, check_decoder, decoded_items

from .decoding import KINDS, SECONDS, Recorded, decode, decode_in_pieces, likeness, notes, open_stream, refusal

LIVE = ["webm", "webm+video", "ogg", "fmp4", "mp3", "aac", "wav", "wav 16 kHz", "mkv flac stereo"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("piece", [None, 700])
def test_every_container(recorded: Recorded, name: str, piece: int | None) -> None:
    samples = decode(recorded(name), piece)
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    assert likeness(samples) > 0.98


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cuts_change_nothing(recorded: Recorded, name: str, data: st.DataObject) -> None:
    recording = recorded(name)
    cuts = data.draw(st.lists(st.integers(0, len(recording)), max_size=30))
    assert np.array_equal(decode(recording), decode_in_pieces(open_stream, recording, cuts))


def test_an_mp4_in_fragments_may_come_byte_by_byte(recorded: Recorded) -> None:
    beginning = recorded("fmp4")[:8000]
    assert np.array_equal(decode(beginning, 1), decode(beginning))


@pytest.mark.parametrize("name", KINDS)
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


def test_a_recording_of_nothing_is_empty(recorded: Recorded) -> None:
    recording = recorded("wav")
    assert len(decode(recording[: recording.index(b"data") + 8])) == 0


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


def test_probing_is_bounded(recorded: Recorded) -> None:
    recording = recorded("webm")
    tracks = recording.index(b"\x16\x54\xae\x6b")
    # A valid void element of 1 MiB in front of the tracks.
    padded = recording[:tracks] + b"\xec\x10\x10\x00\x00" + bytes(1 << 20) + recording[tracks:]
    assert len(decode(padded, 4096)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    assert "no audio stream within" in refusal(padded, 4096, max_probe_bytes=100_000)


def test_an_mp4_with_its_index_last_is_kept_up_to_a_limit(recorded: Recorded) -> None:
    assert "faststart" in refusal(recorded("mp4 index last"), 1000, max_file_bytes=10_000)


@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_is_told(
    recorded: Recorded, room: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a limit on the size of files, which the system reports in the same way."""
    if not room:
        monkeypatch.setattr(tempfile, "tempdir", "/no-such-folder")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room or limits[0], limits[1]))
    try:
        with pytest.raises(SessionRefused, match="no room") as refused:
            decode(recorded("mp4 index last"), 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert refused.value.code == "server_full"
    assert "make room there" in caplog.text


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


def test_choice() -> None:
    assert wlkd_choose_decoder(StreamOffer()) == "av"
    assert wlkd_choose_decoder(StreamOffer(content_type="audio/mp4")) == "av"
