"""What a stream makes of hypotheses: what it commits, holds back, drops and forgets. No model."""

import dataclasses
import math

import pytest
from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.settling import Heard, conclude, doubted

from wlkd import RecognitionParams

from .talk import SECOND, doubting, hypothesis, prompt_text, texts


def test_words_clear_of_the_end_are_committed_and_the_rest_is_tentative(talk):
    commit = talk.step(3, (" one", 20), (" two", 60), (" three", 100), (" four", 140))
    assert texts(commit.words) == [" one", " two", " three"]
    assert texts(commit.tentative) == [" four"]
    assert commit.until == commit.words[-1].end <= 3 * SECOND


def test_the_last_word_may_go_on(talk):
    commit = talk.step(3, (" one", 20), (" two", 60))
    assert texts(commit.words) == [" one"]
    assert texts(commit.tentative) == [" two"]


@pytest.mark.parametrize(("probability", "whole"), [(0.04, True), (0.06, False)])
def test_a_word_is_over_when_hardly_a_mark_can_follow(talk, probability, whole):
    commit = talk.step(3, (" one", 20), (" two", 60), mark=math.log(probability))
    assert texts(commit.words) == [" one"]
    assert commit.whole is whole
    # The same word, when nothing new is committed.
    again = talk.step(0.5, (" two", 140), mark=math.log(probability))
    assert not again.words
    assert again.whole is whole


def test_a_word_is_not_over_while_letters_may_follow(talk, vocabulary):
    def whole(instead, logprob):
        heard = hypothesis(vocabulary, (" spider", 20), (" webs", 60))
        place = len(vocabulary.encode(" spider"))
        choices = list(heard.choices)
        choices[place] = choices[place]._replace(runner_up=(vocabulary.encode(instead)[0], logprob))
        heard = dataclasses.replace(heard, choices=tuple(choices))
        return conclude(Heard(talk.hear(3), "en", heard)).commit.whole

    assert not whole("w", -1.2)
    assert whole("w", -3.2)
    assert whole(" w", -1.2)


def test_without_a_word_behind_it_a_word_may_go_on(talk):
    assert talk.step(3, (" one", 20), (" two", 60)).whole
    assert not talk.step(0.5).whole


def test_nothing_is_committed_before_a_stretch_of_speech_is_long_enough(new_talk):
    talk = new_talk(frame_threshold=70)
    assert texts(talk.step(2, (" one", 5), (" two", 10)).words) == []
    assert texts(talk.step(1, (" one", 5), (" two", 10)).words) == [" one"]


def test_words_that_the_model_doubts_wait_and_what_follows_them_waits_too(new_talk, vocabulary):
    talk = new_talk()
    words = ((" one", 20), (" two", 110), (" three", 120), (" four", 190))
    heard = hypothesis(vocabulary, *words)
    # At the beginning of " two": 45 frames are asked for.
    doubtful = doubting(heard, len(vocabulary.encode(" one")), -0.9)
    assert texts(talk.conclude(talk.hear(3), doubtful).words) == [" one"]
    sooner = new_talk(doubt_threshold=10)  # 29
    assert texts(sooner.conclude(sooner.hear(3), doubtful).words) == [" one", " two", " three"]


def test_nothing_is_committed_of_little_speech_that_the_model_hardly_understands(talk, vocabulary):
    words = ((" on", 20), (" Micah's", 60), (" master", 100), (" he", 140))
    struggling = hypothesis(vocabulary, *words, logprob=-0.6)
    commit = talk.conclude(talk.hear(3), struggling)
    assert (texts(commit.words), texts(commit.tentative)) == ([], [" on", " Micah's", " master", " he"])
    assert texts(talk.conclude(talk.hear(0.9), struggling).words) == []
    assert texts(talk.conclude(talk.hear(0.1), struggling).words) == [" on", " Micah's", " master"], "4 s are enough"


def test_one_doubtful_word_does_not_hold_up_the_others(talk, vocabulary):
    heard = hypothesis(vocabulary, (" one", 20), (" two", 60), (" three", 110), (" four", 140))
    doubtful = doubting(heard, len(vocabulary.encode(" one two")), -1.6)
    assert texts(talk.conclude(talk.hear(3), doubtful).words) == [" one", " two"]


@pytest.mark.parametrize(("mark", "said"), [(",", [" one", " two,", " three"]), (".", [" one"]), ("%", [" one"])])
def test_a_word_waits_for_a_full_stop_to_be_sure_and_not_for_a_comma(talk, vocabulary, mark, said):
    heard = hypothesis(vocabulary, (" one", 20), (f" two{mark}", 110), (" three", 120), (" four", 190))
    place = len(vocabulary.encode(f" one two{mark}")) - 1
    assert vocabulary.text([heard.tokens[place]]) == mark
    assert texts(talk.conclude(talk.hear(3), doubting(heard, place, -1.5)).words) == said


def test_a_second_opinion_is_asked_for_doubtful_words_that_are_about_to_be_committed(talk, vocabulary):
    words = ((" one", 20), (" two", 60), (" three", 100), (" four", 140))
    heard = hypothesis(vocabulary, *words)
    second, fourth = len(vocabulary.encode(" one")), len(vocabulary.encode(" one two three f")) - 1

    def first_doubt(place, start=0, end=False, limit=-0.5):
        return doubted(Heard(talk.hear(3, end=end), "en", doubting(heard, place, -0.6)), start, limit)

    assert first_doubt(second) == second
    assert first_doubt(second, start=second + 1) is None
    assert first_doubt(second, limit=-0.7) is None
    assert first_doubt(fourth) is None  # The last word waits anyway,
    assert first_doubt(fourth, end=True) == fourth  # but not for ever.

    made_up = hypothesis(vocabulary, *words, no_speech=0.9, logprob=-2.0)
    assert doubted(Heard(talk.hear(3), "en", made_up), 0, -0.5) is None


def test_a_hypothesis_changes_nothing_before_it_is_adopted(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 140))
    step = talk.hear(1)
    first = conclude(Heard(step, "en", hypothesis(talk.vocabulary, (" three", 140), (" four", 180))))
    again = conclude(Heard(talk.stream.plan(), "en", hypothesis(talk.vocabulary, (" drei", 140), (" x", 180))))
    assert texts(first.commit.words) == [" three"]
    assert texts(again.commit.tentative) == [" drei", " x"]


def test_the_window_is_cut_at_a_words_end_and_the_words_become_context(new_talk, vocabulary):
    talk = new_talk(max_window_seconds=6, kept_window_seconds=2)
    words = [(f" w{n}", 20 + 25 * n) for n in range(12)]
    commit = talk.step(6.1, *words)
    assert len(commit.words) == 11
    window = talk.stream.plan().state.window
    assert 1.5 * SECOND < len(window) < 3 * SECOND
    request = talk.request()
    told = vocabulary.text(request.prefix[-request.told :])
    assert prompt_text(talk, request) + told == "".join(texts(commit.words))
    assert told


def test_a_full_window_in_which_nothing_settles_is_committed_all_the_same(new_talk):
    talk = new_talk(max_window_seconds=4)
    commit = talk.step(4.2, (" one", 190), (" two", 195), (" three", 200))
    assert texts(commit.words) == [" one", " two"]
    assert talk.guards == {Guard.FORCED}


def test_a_full_window_without_words_is_dropped_but_for_its_end(new_talk):
    talk = new_talk(max_window_seconds=4)
    commit = talk.step(4.5)
    assert len(talk.stream.plan().state.window) == 2 * SECOND
    assert commit.until == 2.5 * SECOND


def test_silence_settles_without_words(talk):
    assert talk.step(3.5).until == 1.5 * SECOND


def test_a_loop_commits_nothing_and_loses_the_context(talk):
    talk.step(3, (" one", 20), end=True)
    commit = talk.step(3, (" two", 20), (" two", 40), (" two", 60), guards=[Guard.LOOP])
    assert commit.words == ()
    assert Guard.LOOP in talk.guards
    assert prompt_text(talk, talk.request()) == ""
    assert talk.request().draft == ()


def test_a_loop_at_the_end_of_a_segment_keeps_what_came_before_it(talk):
    assert texts(talk.step(3, (" two", 20), guards=[Guard.LOOP], end=True).words) == [" two"]


def test_an_echo_loses_the_context_and_keeps_what_was_heard_without_it(talk):
    talk.step(3, (" one", 20), end=True)
    commit = talk.step(3, (" two", 20), (" three", 140), guards=[Guard.ECHO])
    assert (texts(commit.words), talk.guards) == ([" two"], {Guard.ECHO})
    assert prompt_text(talk, talk.request()) == ""


@pytest.mark.parametrize("guard", [Guard.REWIND, Guard.RETOLD])
def test_other_guards_are_counted(talk, guard):
    talk.step(3, (" two", 20), guards=[guard])
    assert talk.guards == {guard}


def test_words_told_again_behind_a_cut_are_dropped(talk):
    talk.step(4, (" one", 20), (" two", 60), (" three", 100), (" four", 190))
    commit = talk.step(1, (" two", 50), (" three", 90), (" four", 190), (" five", 240))
    assert texts(commit.words) == [" four"]
    assert talk.guards == {Guard.TOLD_AGAIN}


def test_doubtful_words_over_doubtful_speech_are_none(talk):
    commit = talk.step(3, (" thanks", 20), (" bye", 60), no_speech=0.9, logprob=-1.5, end=True)
    assert commit.words == ()
    assert talk.guards == {Guard.NO_SPEECH}


def test_speech_without_words_for_too_long_resets_the_stream(new_talk):
    talk = new_talk(RecognitionParams(language="en", initial_prompt="typing"), stuck_seconds=9)
    talk.step(5)
    assert not talk.guards
    assert prompt_text(talk, talk.request()) == " typing"
    talk.step(5)
    assert talk.guards == {Guard.STUCK}
    assert prompt_text(talk, talk.request()) == ""
    talk.step(5)
    assert not talk.guards


def test_noise_in_earlier_stretches_costs_a_new_one_nothing(new_talk):
    talk = new_talk(RecognitionParams(language="en", initial_prompt="typing"), stuck_seconds=9)
    for _ in range(4):
        talk.step(2, end=True)
    commit = talk.step(2.5, (" we", 105), (" shall", 115))
    assert talk.guards == {Guard.STUCK}
    assert prompt_text(talk, talk.request()) == ""
    assert texts(commit.tentative) == [" we", " shall"]
    assert len(talk.stream.plan().state.window) == 2.5 * SECOND
