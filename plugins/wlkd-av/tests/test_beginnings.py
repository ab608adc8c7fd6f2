"""Streams without their beginning, with something before it, or without any sense: told in time, or found."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from wlkd_av.options import AvOptions
from wlkd_av.stream import AvStream

from wlkd import SAMPLE_RATE, Note, SessionError, StreamOffer
from wlkd.testing import as_samples, decoded_items, speech_like

Recorded = Callable[[str], bytes]
SECONDS = 3.0


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told_after(data: bytes, bytes_a_second: int) -> tuple[float, str]:
    """When a live client that sends `data` is told what is wrong, and what."""
    time = Time()
    stream = AvStream(AvOptions(), StreamOffer(), time)
    try:
        for at in range(0, len(data), bytes_a_second // 4):
            time.now = at / bytes_a_second
            as_samples(stream.feed(data[at : at + bytes_a_second // 4]))
    except SessionError as error:
        return time.now, error.message
    finally:
        stream.close()
    raise AssertionError("it was never told")


def without_beginning(recording: bytes) -> bytes:
    return recording[recording.index(b"\x1f\x43\xb6\x75") :]


def test_the_middle_of_a_webm_recording_is_told(recorded: Recorded) -> None:
    seconds, message = told_after(without_beginning(recorded("webm")) * 10, 4000)
    assert message == "this is the middle of a WebM recording; its first chunk is missing"
    assert seconds <= 2.0


@pytest.mark.parametrize(("dtype", "scale", "name"), [("<i2", 32768, "pcm"), ("<f4", 1, "f32le")])
@pytest.mark.parametrize("loudness", [0.001, 0.1, 1.0])
def test_raw_samples_are_told_how_to_announce_themselves(dtype: str, scale: int, name: str, loudness: float) -> None:
    speech = 0.5 * loudness * np.sin(np.arange(64_000) / 8) + 0.2 * loudness * speech_like(4)
    data = (speech * scale).astype(dtype).tobytes()
    seconds, message = told_after(data, len(data) // 4)
    assert f"this looks like raw samples ({name})" in message and f"?format={name} at /asr" in message
    assert "encoding and sample_rate at Deepgram's" in message and message.endswith("elsewhere send WAV")
    assert seconds <= 2.0


def test_unknown_data_is_told(recorded: Recorded) -> None:
    seconds, message = told_after(np.random.default_rng(2).bytes(200_000), 8000)
    assert "unknown data" in message and "raw samples" not in message
    assert seconds <= 2.0


def test_a_beginning_that_follows_is_found(recorded: Recorded) -> None:
    recording = recorded("webm")
    for before in (without_beginning(recording)[:3000], b"\x05junk before" * 20, recording[-700:]):
        items = decoded_items(AvStream(AvOptions(), StreamOffer()), [before, recording[:900], recording[900:]])
        assert len(as_samples(items)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
        assert [item.code for item in items if isinstance(item, Note)] == ["skipped"]


def test_a_short_middle_is_told_at_its_end(recorded: Recorded) -> None:
    with pytest.raises(SessionError, match="first chunk is missing"):
        decoded_items(AvStream(AvOptions(), StreamOffer()), [without_beginning(recorded("webm"))[:600]])


@pytest.mark.parametrize(
    "claim",
    [
        b"\x1aE\xdf\xa3\x9f\x42\x86\x81\x01" + b"\0" * 20,
        b"OggS\0\x02" + b"\0" * 22,
        b"fLaC\0\0\0\x22" + b"\0" * 34 + b"\x06\xff\xff\xff",
        b"FLV\x01\x04\0\0\0\x09",
        b"\0\0\x01\xba" + b"\x44" * 20,
        b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\x7f",
        b"FORM\0\0\0\0AIFFSSND\0\0\0\0",
        b"caff\0\1\0\0desc",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x01mdat\0\0\0\x7f\0\0\0\0",
    ],
)
def test_streams_that_claim_to_begin_and_never_do_stay_bounded(claim: bytes) -> None:
    options = AvOptions(max_probe_bytes=1 << 20, max_file_bytes=2 << 20)
    stream = AvStream(options, StreamOffer())
    tracemalloc.start()
    try:
        with pytest.raises(SessionError):
            for piece in [claim, *[bytes(range(1, 251)) * 130] * 200]:
                as_samples(stream.feed(piece))
            as_samples(stream.finish())
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
        stream.close()


def test_an_index_of_half_a_billion_samples_takes_no_memory(recorded: Recorded) -> None:
    """The table of sizes says how many samples there are, and needs no entry for each."""
    recording = bytearray(recorded("mp4 index last"))
    at = recording.index(b"stsz") + 8
    recording[at : at + 8] = struct.pack(">II", 1, 500_000_000)
    try:
        items = decoded_items(AvStream(AvOptions(), StreamOffer()), [bytes(recording)])
        assert len(as_samples(items)) / SAMPLE_RATE < 10
    except SessionError as error:
        assert error.code == "undecodable_audio"
