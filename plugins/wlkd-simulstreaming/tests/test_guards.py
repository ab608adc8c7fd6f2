"""The guards against running wild."""

import pytest

from wlkd_simulstreaming.guards import is_no_speech, loop_start, told_again


@pytest.mark.parametrize(
    ("tokens", "start"),
    [
        ([1, 2, 3, 4, 5, 6], None),
        ([7, 7, 7, 7, 7], None),
        ([9, 7, 7, 7, 7, 7, 7], 2),
        ([1, 2, 1, 2, 1, 2], None),
        ([9, 1, 2, 1, 2, 1, 2, 1, 2], 3),
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3], 4),
        ([1, 2, 3, 1, 2, 3, 1, 2], None),
    ],
)
def test_loops(tokens, start):
    assert loop_start(tokens) == start


def test_a_long_clause_is_found_and_kept_once():
    clause = list(range(20))
    assert loop_start([99, *clause * 3]) == 21


def test_a_word_told_again_from_settled_audio_is_found():
    assert told_again([" and", " then", " he"], [" Then", " he", " went"], [100, 150, 400], until=200) == 2


def test_a_speakers_own_repetition_is_not():
    assert told_again([" very"], [" very", " good"], [300, 400], until=200) == 0
    assert told_again([" the"], [" end"], [150], until=200) == 0
    assert told_again([], [" end"], [150], until=200) == 0


def test_no_speech_needs_both_doubts():
    assert is_no_speech(0.9, [-2.0, -1.0], 0.6, -1.0)
    assert not is_no_speech(0.9, [-0.2, -0.1], 0.6, -1.0)
    assert not is_no_speech(0.1, [-2.0, -2.0], 0.6, -1.0)
    assert not is_no_speech(None, [-2.0], 0.6, -1.0)
    assert not is_no_speech(0.9, [], 0.6, -1.0)
