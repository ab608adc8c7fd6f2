"""Deciding the language."""

import numpy as np
import pytest
from wlkd_simulstreaming.language import Evidence, tried
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.state import State

from wlkd import Frame
from wlkd.contract.audio import samples


def test_enough_heard_and_sure_enough():
    evidence = Evidence().plus({"en": 0.9, "de": 0.1}, 2.0)
    assert evidence.best == "en"
    assert evidence.settles(2.0, 0.5, 6.0)
    assert not evidence.settles(3.0, 0.5, 6.0)


def test_doubt_listens_on_but_not_for_ever():
    doubtful = Evidence().plus({"en": 0.4, "de": 0.35, "fr": 0.25}, 3.0)
    assert not doubtful.settles(2.0, 0.5, 6.0)
    assert doubtful.plus({"en": 0.1, "de": 0.8, "fr": 0.1}, 3.0).settles(2.0, 0.5, 6.0)


def test_longer_speech_weighs_more():
    assert Evidence().plus({"en": 0.8, "de": 0.2}, 1.0).plus({"en": 0.3, "de": 0.7}, 4.0).best == "de"


def test_the_language_in_which_speech_makes_sense_wins():
    guess = {"zh": 0.7, "en": 0.2, "ja": 0.06, "de": 0.04}
    better = tried(guess, {"zh": [-1.5, -1.6], "en": [-0.2, -0.4, -0.3], "ja": [-2.0]})
    assert better["en"] > 0.9
    assert better["de"] == 0.0
    assert sum(better.values()) == pytest.approx(1.0)


def test_a_text_is_not_likelier_for_being_short():
    even = tried({"en": 0.5, "de": 0.5}, {"en": [-0.5], "de": [-0.5] * 20})
    assert even == pytest.approx({"en": 0.5, "de": 0.5})


def test_languages_without_words_for_it_are_out_and_no_words_at_all_say_nothing():
    guess = {"zh": 0.6, "en": 0.4}
    assert tried(guess, {"zh": [], "en": [-0.5]}) == {"zh": 0.0, "en": 1.0}
    assert tried(guess, {"zh": [], "en": []}) == guess


@pytest.mark.parametrize(
    ("seconds", "best", "doubts"),
    [(2.0, 0.75, True), (2.0, 0.85, False), (1.5, 0.75, False)],
)
def test_languages_are_tried_when_enough_was_heard_to_decide_and_the_guess_leaves_doubt(seconds, best, doubts):
    state = State().hearing([Frame(0, np.zeros(samples(seconds), np.float32))])
    assert state.doubts_language({"en": best, "de": 1 - best}, SimulStreamingOptions()) is doubts
