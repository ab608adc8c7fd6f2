"""Deciding the language, and what a stream holds back meanwhile."""

import dataclasses

import numpy as np
import pytest
from wlkd_simulstreaming.language import Evidence, tried
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.state import State

from wlkd import Frame, RecognitionParams
from wlkd.contract.audio import samples

from .talk import hypothesis, texts


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


def heard(state, seconds):
    """`state` with that much more speech."""
    return state.hearing([Frame(state.window.end, np.zeros(samples(seconds), np.float32))])


def told(state, code, probability, *, closing=False):
    """`state` when the window sounds like `code`, the rest of the probability going to another language."""
    guess = {code: probability, "fr" if code != "fr" else "en": 1 - probability}
    return state.informed(guess, SimulStreamingOptions(), closing=closing)


def test_a_segment_is_in_the_language_before_as_soon_as_it_sounds_like_it():
    state = heard(State(before="en", context=(1, 2)), 0.9)
    assert told(state, "en", 0.6).language is None
    decided = told(heard(state, 0.1), "en", 0.6)
    assert (decided.language, decided.before, decided.context) == ("en", None, (1, 2))


@pytest.mark.parametrize(
    ("seconds", "probability", "language"),
    [(1.9, 0.99, None), (2.0, 0.85, "zh"), (4.9, 0.75, None), (5.0, 0.75, "en")],
)
def test_a_change_takes_much_speech_and_little_doubt(seconds, probability, language):
    decided = told(heard(State(before="en", context=(1, 2)), seconds), "zh", probability)
    assert decided.language == language
    if language == "zh":
        assert decided.context == (), "words of another language are no context"


def test_a_segment_too_short_to_tell_is_in_the_language_before():
    assert told(heard(State(before="en"), 0.5), "zh", 0.99, closing=True).language == "en"


def test_a_decided_language_is_questioned_when_another_one_is_likelier_for_a_second():
    state = heard(State(language="en", last_end=samples(1.0)), 3.0)
    assert told(state, "zh", 0.7).strange_from is None
    doubtful = told(state, "zh", 0.9)
    assert (doubtful.language, doubtful.strange_from) == ("en", samples(3.0))
    assert told(heard(doubtful, 0.5), "en", 0.9).strange_from is None
    open_again = told(heard(doubtful, 1.0), "zh", 0.9)
    assert (open_again.language, open_again.before) == (None, "en")
    assert open_again.window.session_index(0) == samples(1.0), "what is not committed is kept"


def test_a_segment_that_ends_strangely_is_questioned_at_once():
    assert told(heard(State(language="en"), 3.0), "zh", 0.9, closing=True).language is None


def test_trying_a_change_is_worth_it_even_where_the_guess_is_sure():
    options = SimulStreamingOptions()
    state = heard(State(before="en"), 2.0)
    assert state.doubts_language({"zh": 0.95, "en": 0.05}, options)
    assert not state.doubts_language({"zh": 0.05, "en": 0.95}, options)
    assert not heard(State(language="en"), 2.0).doubts_language({"zh": 0.95, "en": 0.05}, options)


@pytest.mark.parametrize(("probability", "option"), [(0.6, "language_limit_seconds"), (0.9, "language_seconds")])
def test_a_full_window_decides_however_much_more_is_wanted(probability, option):
    options = SimulStreamingOptions(max_window_seconds=4, **{option: 10})
    guess = {"en": probability, "fr": 1 - probability}
    assert heard(State(), 3.9).informed(guess, options, closing=False).language is None
    assert heard(State(), 4.1).informed(guess, options, closing=False).language == "en"


def listened(step, probabilities):
    state = step.state.informed(probabilities, step.brief.options, closing=step.end is not None)
    return dataclasses.replace(step, state=state)


def test_the_language_is_decided_once_and_words_wait_for_it(new_talk, vocabulary):
    talk = new_talk(RecognitionParams())
    step = listened(talk.hear(1.5), {"en": 0.2, "de": 0.8})
    commit = talk.conclude(step, hypothesis(vocabulary, (" ein", 10), (" zwei", 40)), "de")
    assert (texts(commit.words), texts(commit.tentative), commit.language) == ([], [" ein", " zwei"], None)
    step = listened(talk.hear(1), {"en": 0.1, "de": 0.9})
    commit = talk.conclude(step, hypothesis(vocabulary, (" ein", 10), (" zwei", 40)), "de")
    assert (texts(commit.words), commit.language) == ([" ein"], "de")
    assert talk.stream.plan().state.language == "de"


def test_a_short_first_stretch_is_evidence_but_does_not_decide(new_talk, vocabulary):
    talk = new_talk(RecognitionParams())
    step = listened(talk.hear(0.5, end=True), {"en": 0.6, "de": 0.4})
    commit = talk.conclude(step, hypothesis(vocabulary, (" ja", 10)), "en")
    assert texts(commit.words) == [" ja"]
    step = listened(talk.hear(2), {"en": 0.1, "de": 0.9})
    assert step.state.language == "de"


def test_each_segment_may_be_in_another_language(new_talk):
    talk = new_talk(RecognitionParams(language_scope="segment"))
    talk.stream.adopt(dataclasses.replace(talk.hear(3).state, language="de"))
    assert talk.step(1, (" eins", 20), (" zwei", 100), end=True, language="de").language == "de"
    state = talk.stream.plan().state
    assert (state.language, state.before) == (None, "de")
    waiting = talk.step(1, (" ja", 10), (" gut", 20), language="de")
    assert (waiting.words, texts(waiting.tentative)) == ((), [" ja", " gut"])


def test_a_language_that_was_asked_for_stays_in_every_segment(new_talk):
    talk = new_talk(RecognitionParams(language="de", language_scope="segment"))
    talk.step(3, (" eins", 20), end=True, language="de")
    assert talk.stream.plan().state.language == "de"


def test_nothing_is_committed_while_the_language_is_in_question(new_talk):
    talk = new_talk(RecognitionParams(language_scope="segment"))
    state = talk.hear(3).state
    talk.stream.adopt(dataclasses.replace(state, language="en", strange_from=state.window.end))
    assert talk.step(1, (" one", 20), (" two", 40)).words == ()
