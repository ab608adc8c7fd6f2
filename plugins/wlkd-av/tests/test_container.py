"""Containers one after the other, as recorders send them that stop and start again."""

from __future__ import annotations

import numpy as np
import pytest

from wlkd import SAMPLE_RATE, Gap
from wlkd.testing import as_samples, decoded_items

from .decoding import SECONDS, Recorded, decode, decode_in_pieces, notes, open_stream, refusal


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


def test_a_recording_comes_before_the_broken_one_behind_it(recorded: Recorded) -> None:
    recording = recorded("webm")
    items = decoded_items(open_stream(), [recording + recording.replace(b"A_OPUS", b"A_XPUS")])
    assert len(as_samples(items)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.06)
    (note,) = notes(items)
    assert note.code == "cut_short" and "codec is unknown" in note.message
