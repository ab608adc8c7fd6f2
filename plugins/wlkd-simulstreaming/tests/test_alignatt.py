"""The policy: which words have heard enough."""

import torch
from wlkd_simulstreaming.alignatt import Candidate, hears_enough, is_settled, rewinds
from wlkd_simulstreaming.attention import attended_frames


def settled(frame, *, doubt=0.0, content=150, segment=150, stood=150):
    return is_settled(Candidate(content - frame, doubt, stood), segment, threshold=15, per_doubt=20)


def test_a_word_near_the_end_of_the_audio_waits():
    assert settled(132, doubt=0.1)
    assert not settled(133, doubt=0.1)


def test_a_word_that_the_model_is_sure_of_waits_for_half_of_that():
    assert settled(142)
    assert not settled(143)
    assert settled(140, doubt=0.09)
    assert not settled(141, doubt=0.09)


def test_a_doubtful_word_waits_for_longer():
    assert settled(124, doubt=0.5)
    assert not settled(125, doubt=0.5)


def test_a_doubtful_word_must_have_stood_for_a_while():
    assert settled(50, stood=0)
    assert settled(50, doubt=0.5, stood=10)
    assert not settled(50, doubt=0.5, stood=9)


def test_four_tenths_of_a_second_more_are_enough_for_the_most_doubtful_word():
    assert settled(114, doubt=9.0, stood=20)
    assert not settled(115, doubt=9.0, stood=20)
    assert not settled(114, doubt=9.0, stood=19)


def test_a_short_stretch_of_speech_settles_what_is_certain_only():
    assert settled(5, content=23, segment=23)
    assert not settled(5, content=22, segment=22)
    assert not settled(5, doubt=0.5, content=37, segment=37)
    assert settled(5, doubt=0.5, content=38, segment=38)


def test_four_seconds_are_asked_for_where_the_model_hardly_understands():
    assert hears_enough([0.1, 0.9, 0.5], 30)
    assert not hears_enough([0.1, 0.9, 0.6], 199)
    assert hears_enough([0.1, 0.9, 0.6], 200)
    assert hears_enough([], 30)


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
