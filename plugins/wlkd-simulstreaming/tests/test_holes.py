"""Speech that a hypothesis leaves out. No model."""

import dataclasses

from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.holes import filled, hole
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.settling import Heard

from .talk import SECOND, hypothesis, texts


def heard(talk, seconds, *words, **how):
    return Heard(talk.hear(seconds), "en", hypothesis(talk.vocabulary, *words, **how))


def test_speech_left_out_before_words_to_be_committed_is_a_hole(talk):
    assert hole(heard(talk, 8, (" four", 200), (" five", 260), (" six", 390)))


def test_speech_left_out_between_words_to_be_committed_is_a_hole(talk):
    assert hole(heard(talk, 8, (" one", 20), (" four", 200), (" five", 390)))


def test_a_hole_before_words_that_wait_is_not_looked_at(talk):
    assert not hole(heard(talk, 8, (" one", 20), (" four", 385), (" five", 390)))


def test_speech_before_the_committed_words_end_is_no_hole(talk):
    talk.step(4, (" one", 20), (" two", 100), (" three", 165), (" four", 195))
    assert not hole(heard(talk, 2, (" four", 200), (" five", 250), (" six", 290)))


def test_speech_behind_the_end_of_the_text_is_a_hole(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 100))
    nothing = Hypothesis(ended=True)
    assert not hole(Heard(talk.hear(1), "en", nothing)), "words may still come"
    assert not hole(heard(talk, 3, (" three", 200), (" four", 250)))
    assert hole(heard(talk, 0, (" three", 120), (" four", 180)))
    assert hole(Heard(talk.hear(0, pause=True), "en", nothing))


def test_a_text_that_was_cut_short_leaves_no_hole_behind_it(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 100))
    assert not hole(heard(talk, 4, (" three", 120), ended=False, guards=[Guard.REWIND]))


def test_speech_that_was_heard_again_in_vain_is_no_hole(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 100))
    step = talk.hear(4)
    tried = dataclasses.replace(step, state=dataclasses.replace(step.state, reheard=talk.at))
    talk.conclude(tried, hypothesis(talk.vocabulary, (" three", 100)))
    assert not hole(heard(talk, 2, (" three", 100)))
    assert hole(heard(talk, 2, (" three", 100)))


def test_noise_before_a_pause_is_no_hole(talk):
    assert not hole(Heard(talk.hear(6, pause=True), "en", Hypothesis(ended=True)))


def test_made_up_words_leave_no_hole(talk):
    assert not hole(heard(talk, 8, (" four", 200), (" five", 390), no_speech=0.9, logprob=-2.0))


def test_what_was_left_out_is_told_behind_the_words_before_it(talk):
    short = heard(talk, 8, (" one", 20), (" four", 200), (" five", 260), (" six", 390))
    gap = hole(short)
    rest = heard(talk, 0, (" two", 60), (" three", 130), (" four", 179), (" five", 239), (" six", 369))
    whole = talk.conclude(short.step, filled(short, gap, rest).hypothesis)
    assert texts([*whole.words, *whole.tentative]) == [" one", " two", " three", " four", " five", " six"]
    assert [round(word.start / SECOND, 2) for word in whole.words[:2]] == [0.3, 0.02 * (60 + gap.frame) - 0.1]


def test_what_leaves_out_as_much_is_not_taken(talk):
    short = heard(talk, 8, (" four", 200), (" five", 260), (" six", 390))
    assert filled(short, hole(short), heard(talk, 0, (" won", 199), (" five", 259), (" six", 389))) is None


def test_words_made_up_for_what_was_left_out_are_not_taken(talk):
    short = heard(talk, 8, (" one", 20))
    made_up = heard(talk, 0, (" thanks", 100), (" bye", 270), no_speech=0.9, logprob=-2.0)
    assert filled(short, hole(short), made_up) is None


def test_only_what_lies_behind_is_heard_again(talk):
    talk.step(4, (" one", 20), (" two", 60), (" three", 100), (" four", 190))
    state = talk.hear(4).state.behind(200)
    assert (state.window.session_index(0), state.window.end, state.said) == (4 * SECOND, 8 * SECOND, ())
