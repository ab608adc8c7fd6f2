"""A window that grows: only what changed is encoded anew, and what lies near."""

from __future__ import annotations

import pytest
import torch
from wlkd_simulstreaming import growing
from wlkd_simulstreaming.encoder import TorchEncoder
from wlkd_simulstreaming.growing import GrowingEncoder
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.mel import LogMel
from wlkd_simulstreaming.timing import FRAME_SAMPLES

from wlkd.testing import speech_like

FRAMES = 750
"""15 s."""
NEAR = growing.BEFORE, growing.BEHIND


@pytest.fixture(scope="module")
def encoder(dims, weights):
    return TorchEncoder(dims, weights, torch.device("cpu"), torch.float32, FloatLinear)


@pytest.fixture
def mel(dims):
    return LogMel(dims.n_mels)


@pytest.fixture
def window(mel):
    """The spectrogram of so many frames of audio, from frame `first` on, and silence behind."""
    audio = speech_like(14).astype("f4")

    def of(frames, first=0):
        return mel(audio[first * FRAME_SAMPLES : (first + frames) * FRAME_SAMPLES], 2 * FRAMES)

    return of


@pytest.fixture
def grow(encoder, mel):
    with torch.inference_mode():
        yield GrowingEncoder(encoder, mel, 2 * FRAMES)


def test_with_everything_near_it_is_the_encoding_of_the_whole(encoder, grow, window, monkeypatch):
    monkeypatch.setattr(growing, "BEFORE", FRAMES)
    monkeypatch.setattr(growing, "BEHIND", FRAMES)
    encoding = None
    for frames in (50, 65, 300):
        encoding = grow(window(frames), frames, encoding)
        # Keys and values are kept in float16.
        torch.testing.assert_close(encoding.states, encoder(window(frames)[None])[0], atol=5e-3, rtol=1e-2)


def test_what_lies_far_from_new_audio_stays_as_it_was(grow, window):
    before = grow(window(300), 300, None)
    assert before.renewed == 300 + growing.BEHIND
    states = before.states.clone()
    after = grow(window(320), 320, before)
    # The last frame of the audio changes too: the transform's window reaches behind it.
    first, stop = 300 - 1 - growing.BEFORE, 320 + growing.BEHIND
    assert after.renewed <= stop - first + 1
    changed = (after.states != states).any(1).nonzero().flatten()
    assert first - 1 <= changed[0] <= first + 1
    assert changed[-1] == stop - 1


@pytest.mark.parametrize(
    ("frames", "first"),
    [(300, 100), (200, 150)],
    ids=["its beginning is cut off", "and it is shorter"],
)
def test_a_window_that_begins_elsewhere_is_as_if_nothing_was_before(grow, window, frames, first):
    used = grow(window(320), 320, None)
    again = grow(window(frames, first), frames, used)
    fresh = grow(window(frames, first), frames, None)
    assert again.renewed == fresh.renewed == frames + growing.BEHIND
    assert torch.equal(again.states, fresh.states)


def test_what_becomes_silence_is_encoded_as_silence(grow, window):
    encoding = grow(window(320), 320, None)
    shorter = grow(window(290), 290, encoding)
    assert 30 <= shorter.renewed <= 30 + sum(NEAR) + 2
    torch.testing.assert_close(shorter.mel, window(290))


def test_the_same_window_costs_nothing(grow, window):
    encoding = grow(window(300), 300, None)
    states = encoding.states.clone()
    again = grow(window(300), 300, encoding)
    assert again.renewed == 0
    assert torch.equal(again.states, states)


def test_streams_do_not_touch_each_other(grow, window):
    one = grow(window(300), 300, None)
    kept = one.states.clone()
    grow(window(320, 100), 320, None)
    assert torch.equal(one.states, kept)
    assert torch.equal(grow(window(300), 300, None).states, kept)


def test_after_an_error_it_is_encoded_again(grow, encoder, window, monkeypatch):
    encoding = grow(window(300), 300, None)
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "normalised", lambda x: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            grow(window(320), 320, encoding)
    expected = grow(window(320), 320, grow(window(300), 300, None))
    torch.testing.assert_close(grow(window(320), 320, encoding).states, expected.states, atol=1e-2, rtol=1e-2)
