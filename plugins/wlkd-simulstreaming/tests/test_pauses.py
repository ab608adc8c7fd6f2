"""What the end of speech and a pause settle, and what is held over a pause. No model."""

import pytest
from wlkd_simulstreaming.hypothesis import Hypothesis

from wlkd import RecognitionParams

from .talk import SECOND, doubting, hypothesis, prompt_text, texts


def test_the_end_of_speech_commits_everything_and_starts_afresh(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 140))
    commit = talk.step(0.2, (" three", 140), (" four", 155), end=True)
    assert texts(commit.words) == [" three", " four"]
    assert (commit.tentative, commit.segment_end, commit.until) == ((), True, talk.at)
    request = talk.request()
    assert request.told == 0
    assert prompt_text(talk, request) == " one two three four"
    assert len(talk.stream.plan().state.window) == 0


def test_a_pause_settles_what_is_sure_the_last_word_too_and_keeps_the_window(talk):
    talk.step(3, (" one", 20), (" two", 60))
    commit = talk.step(0.5, (" two", 60), (" three", 146), pause=True)
    assert (texts(commit.words), commit.segment_end, commit.until) == ([" two", " three"], True, talk.at)
    talk.at += SECOND // 2
    window = talk.hear(1).state.window
    assert len(window) == 5 * SECOND, "the silence is heard too"
    assert window.session_index(4 * SECOND) == 4 * SECOND
    commit = talk.step(1, (" four", 240), (" five", 290))
    assert (texts(commit.words), commit.segment_end) == ([" four"], False), "of each pause there is one end"


def test_after_long_silence_the_window_begins_anew(talk):
    talk.step(3, (" one", 20), pause=True)
    assert len(talk.hear(1, at=5 * SECOND).state.window) == SECOND
    assert prompt_text(talk, talk.request()) == " one"


@pytest.fixture
def in_doubt(talk, vocabulary):
    """A talk that paused behind " one", which was sure, and " tow", which was not."""
    heard = hypothesis(vocabulary, (" one", 20), (" tow", 130))
    commit = talk.conclude(talk.hear(3, pause=True), doubting(heard, len(vocabulary.encode(" one")), -0.8))
    assert (texts(commit.words), texts(commit.tentative), commit.segment_end) == ([" one"], [" tow"], False)
    return talk


def test_words_in_doubt_are_held_over_a_pause_until_more_is_heard(in_doubt):
    in_doubt.at += SECOND // 2
    commit = in_doubt.step(2, (" two", 130), (" three", 190), (" four", 195), (" five", 270))
    assert (texts(commit.words), texts(commit.tentative)) == ([" two"], [" three", " four", " five"])
    assert commit.segment_end, "what follows is another stretch"
    commit = in_doubt.step(0.5, (" three", 190), (" four", 195), (" five", 270))
    assert (texts(commit.words), commit.segment_end) == ([" three", " four"], False)


def test_words_in_doubt_are_committed_as_they_are_when_no_more_is_heard(in_doubt):
    in_doubt.stream.end_segment(in_doubt.at)
    step = in_doubt.stream.plan()
    assert not step.state.worth_decoding, "it would be the same words"
    commit = in_doubt.conclude(step, Hypothesis(ended=True))
    assert (texts(commit.words), commit.segment_end, commit.until) == ([" tow"], True, in_doubt.at)
    assert prompt_text(in_doubt, in_doubt.request()) == " one tow"
    assert texts(in_doubt.step(2, (" three", 20), at=5 * SECOND, end=True).words) == [" three"]


def test_words_in_doubt_before_two_pauses_end_two_stretches(in_doubt, vocabulary):
    heard = hypothesis(vocabulary, (" two", 120), (" three", 185))
    commit = in_doubt.conclude(in_doubt.hear(1, pause=True), doubting(heard, len(heard.choices) - 1, -0.8))
    assert (texts(commit.words), texts(commit.tentative), commit.segment_end) == ([" two"], [" three"], True)
    in_doubt.stream.end_segment(in_doubt.at)
    commit = in_doubt.conclude(in_doubt.stream.plan(), Hypothesis(ended=True))
    assert (texts(commit.words), commit.segment_end) == ([" three"], True)


def test_a_pause_that_was_over_before_a_step_ends_a_stretch_too(talk):
    silence = SECOND // 2
    talk.hear(2)
    commit = talk.step(
        2, (" one", 20), (" two", 60), (" three", 130), (" four", 150), (" five", 220), at=2 * SECOND + silence
    )
    window = talk.stream.plan().state.window
    assert (len(window), window.session_index(3 * SECOND)) == (4 * SECOND + silence, 3 * SECOND), "the silence is heard"
    assert (texts(commit.words), commit.segment_end) == ([" one", " two"], True)
    assert texts(commit.tentative) == [" three", " four", " five"]
    commit = talk.step(0.5, (" three", 130), (" four", 150), (" five", 220))
    assert (texts(commit.words), commit.segment_end) == ([" three", " four"], False)


def test_a_pause_that_was_over_before_a_step_may_lie_between_two_steps(talk):
    talk.step(2, (" one", 20), (" two", 60))
    commit = talk.step(2, (" two", 60), (" three", 130), (" four", 220), at=2 * SECOND + SECOND // 2)
    assert (texts(commit.words), commit.segment_end) == ([" two"], True)


@pytest.mark.parametrize("params", [RecognitionParams(language_scope="segment"), RecognitionParams()])
def test_no_step_goes_over_a_pause_behind_which_another_language_may_follow(talk, new_talk, params):
    assert talk.stream.bridges_pauses
    assert not new_talk(params).stream.bridges_pauses


def test_noise_before_a_pause_leaves_nothing_behind(talk):
    assert talk.step(2, pause=True).segment_end
    assert len(talk.stream.plan().state.window) == 0


@pytest.mark.parametrize("params", [RecognitionParams(language_scope="segment"), RecognitionParams()])
def test_a_pause_is_an_end_where_another_language_may_follow(new_talk, params):
    talk = new_talk(params)
    assert texts(talk.step(1, (" one", 49), pause=True).words) == [" one"]
    assert len(talk.stream.plan().state.window) == 0


def test_a_short_stretch_is_committed_at_its_end(new_talk):
    talk = new_talk(frame_threshold=70)
    assert texts(talk.step(0.5, (" yes", 8), end=True).words) == [" yes"]
