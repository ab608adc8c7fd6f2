"""Recordings that are cut or damaged: what is left of them is heard, and what is lost is told."""

from __future__ import annotations

import re
import struct

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wlkd_av.reading import Voice

from wlkd import SAMPLE_RATE, Gap, Note, SessionError
from wlkd.testing import as_samples, decoded_items

from .decoding import KINDS, SECONDS, Recorded, decode, notes, open_stream, refusal


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


@pytest.mark.parametrize("name", KINDS)
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
