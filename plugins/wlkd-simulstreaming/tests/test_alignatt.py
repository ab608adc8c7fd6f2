"""The policy: which tokens have heard enough."""

import torch
from wlkd_simulstreaming.alignatt import rewinds, settled_tokens
from wlkd_simulstreaming.attention import attended_frames


def test_tokens_near_the_end_of_the_audio_wait():
    assert settled_tokens([10, 40, 74, 75, 90], content=100, frame_threshold=25) == 3


def test_what_follows_a_waiting_token_waits_too():
    assert settled_tokens([10, 80, 30], content=100, frame_threshold=25) == 1


def test_all_are_settled_when_enough_was_heard_behind_them():
    assert settled_tokens([10, 40], content=100, frame_threshold=25) == 2
    assert settled_tokens([], content=100, frame_threshold=25) == 0


def test_a_jump_back_is_a_rewind_only_beyond_the_threshold():
    assert not rewinds(250, 50, 200)
    assert rewinds(251, 50, 200)
    assert not rewinds(50, 300, 200)


def test_a_spike_of_a_single_frame_is_smoothed_away():
    attention = torch.zeros(1, 1, 60)
    attention[0, 0, 5] = 1.0
    attention[0, 0, 30:38] = 0.1
    assert 30 <= attended_frames(attention).item() < 38


def test_attention_over_very_little_audio_still_has_a_peak():
    assert attended_frames(torch.tensor([[[0.1, 0.9]]])).tolist() == [[1]]
