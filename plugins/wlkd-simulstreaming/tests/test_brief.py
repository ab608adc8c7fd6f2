"""What a step asks the model for: prompts, the language, translation, and no more tokens than there is room for."""

from wlkd_simulstreaming.brief import request

from wlkd import RecognitionParams

from .talk import prompt_text


def test_what_was_tentative_is_the_next_guess_and_what_was_committed_the_prefix(talk):
    talk.step(3, (" one", 20), (" two", 60), (" three", 140))
    request = talk.request()
    assert talk.vocabulary.text(request.draft) == " three"
    assert talk.vocabulary.text(request.prefix[-request.told :]) == " one two"


def test_prompts_stand_in_order_and_the_static_one_stays(new_talk):
    params = RecognitionParams(
        language="en", static_prompt="Talk.", hotwords=("Prynne", "Phronsie"), initial_prompt="Hi."
    )
    talk = new_talk(params, context_tokens=12)
    assert prompt_text(talk, talk.request()) == " Talk. Prynne, Phronsie Hi."
    talk.step(3, (" something", 20), (" longer", 60), end=True)
    assert prompt_text(talk, talk.request()) == " Talk. Prynne, Phronsiething longer"
    assert prompt_text(talk, talk.request(afresh=True)) == " Talk. Prynne, Phronsie"


def test_no_context_wanted_is_none_given(new_talk):
    talk = new_talk(context_tokens=0)
    talk.step(3, (" one", 20), end=True)
    assert prompt_text(talk, talk.request()) == ""


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
