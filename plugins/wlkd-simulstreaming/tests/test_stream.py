"""What a stream makes of hypotheses: what it commits, holds back, drops and forgets. No model."""

import dataclasses
import math

import pytest
from wlkd_simulstreaming.brief import request
from wlkd_simulstreaming.guards import Guard
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.settling import Heard, conclude, doubted

from wlkd import RecognitionParams

from .talk import SECOND, doubting, hypothesis, texts


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


def test_the_end_of_speech_commits_everything_and_starts_afresh(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 140))
    commit = talk.step(0.2, (" three", 140), (" four", 155), end=True)
    assert texts(commit.words) == [" three", " four"]
    assert (commit.tentative, commit.segment_end, commit.until) == ((), True, talk.at)
    request = talk.request()
    assert request.told == 0
    assert vocabulary_text(talk, request) == " one two three four"
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
    assert vocabulary_text(talk, talk.request()) == " one"


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
    assert vocabulary_text(in_doubt, in_doubt.request()) == " one tow"
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


def vocabulary_text(talk, request):
    """The text in a prefix before the start of the transcript."""
    return talk.vocabulary.text(request.prefix[: request.sot])


def test_a_short_stretch_is_committed_at_its_end(new_talk):
    talk = new_talk(frame_threshold=70)
    assert texts(talk.step(0.5, (" yes", 8), end=True).words) == [" yes"]


def test_what_was_tentative_is_the_next_guess_and_what_was_committed_the_prefix(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 140))
    request = talk.request()
    assert talk.vocabulary.text(request.draft) == " three"
    assert talk.vocabulary.text(request.prefix[-request.told :]) == " one two"


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
    assert vocabulary_text(talk, request) + told == "".join(texts(commit.words))
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
    assert vocabulary_text(talk, talk.request()) == ""
    assert talk.request().draft == ()


def test_a_loop_at_the_end_of_a_segment_keeps_what_came_before_it(talk):
    assert texts(talk.step(3, (" two", 20), guards=[Guard.LOOP], end=True).words) == [" two"]


def test_an_echo_loses_the_context_and_keeps_what_was_heard_without_it(talk):
    talk.step(3, (" one", 20), end=True)
    commit = talk.step(3, (" two", 20), (" three", 140), guards=[Guard.ECHO])
    assert (texts(commit.words), talk.guards) == ([" two"], {Guard.ECHO})
    assert vocabulary_text(talk, talk.request()) == ""


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
    assert vocabulary_text(talk, talk.request()) == " typing"
    talk.step(5)
    assert talk.guards == {Guard.STUCK}
    assert vocabulary_text(talk, talk.request()) == ""
    talk.step(5)
    assert not talk.guards


def test_noise_in_earlier_stretches_costs_a_new_one_nothing(new_talk):
    talk = new_talk(RecognitionParams(language="en", initial_prompt="typing"), stuck_seconds=9)
    for _ in range(4):
        talk.step(2, end=True)
    commit = talk.step(2.5, (" we", 105), (" shall", 115))
    assert talk.guards == {Guard.STUCK}
    assert vocabulary_text(talk, talk.request()) == ""
    assert texts(commit.tentative) == [" we", " shall"]
    assert len(talk.stream.plan().state.window) == 2.5 * SECOND


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


def test_prompts_stand_in_order_and_the_static_one_stays(new_talk):
    params = RecognitionParams(
        language="en", static_prompt="Talk.", hotwords=("Prynne", "Phronsie"), initial_prompt="Hi."
    )
    talk = new_talk(params, context_tokens=12)
    assert vocabulary_text(talk, talk.request()) == " Talk. Prynne, Phronsie Hi."
    talk.step(3, (" something", 20), (" longer", 60), end=True)
    assert vocabulary_text(talk, talk.request()) == " Talk. Prynne, Phronsiething longer"
    assert vocabulary_text(talk, talk.request(afresh=True)) == " Talk. Prynne, Phronsie"


def test_no_context_wanted_is_none_given(new_talk):
    talk = new_talk(context_tokens=0)
    talk.step(3, (" one", 20), end=True)
    assert vocabulary_text(talk, talk.request()) == ""


def test_a_model_of_one_language_is_asked_for_none(new_talk, vocabulary):
    talk = new_talk(RecognitionParams(), "en")
    assert talk.request().prefix == (vocabulary.sot, vocabulary.no_timestamps)
    assert talk.step(3, (" one", 20), (" two", 140)).language == "en"


def test_translation_is_asked_for(new_talk, vocabulary):
    talk = new_talk(RecognitionParams(language="de", task="translate"))
    prefix = request(talk.stream.plan(), "de").prefix
    assert prefix == (vocabulary.sot, vocabulary.languages["de"], vocabulary.translate, vocabulary.no_timestamps)


def test_the_prefix_always_leaves_room(new_talk):
    talk = new_talk(RecognitionParams(language="en", initial_prompt="word " * 300), context_tokens=200)
    asked = request(talk.hear(10), "en")
    assert len(asked.prefix) + asked.max_tokens <= 448
    assert asked.max_tokens > 10


def test_a_window_that_says_far_too_much_still_leaves_room(new_talk):
    talk = new_talk(RecognitionParams(language="en", static_prompt="word " * 44))
    assert len(talk.stream.brief.prompt) > 200
    for step in range(30):
        talk.step(0.4, *[(f" {step}x{n}", 12 * step) for n in range(12)])
        asked = request(talk.hear(0.1), "en")
        assert len(asked.prefix) + asked.max_tokens <= 448
        assert asked.max_tokens > 8


def test_there_is_room_for_languages_whose_letters_are_several_tokens(talk):
    """54 letters of Georgian are 127 tokens, and said in 4 s."""
    talk.hear(4)
    assert talk.request().max_tokens > 127
    # A window full of them is no sign of a recognizer gone astray.
    talk.step(3.5, *((" " + "a" * 27, 36 * word) for word in range(9)))
    assert talk.request().told == 8 * 28


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
