"""A stream that goes on where another recognizer was: words whose audio comes again are not told again."""

import pytest
from wlkd_simulstreaming.brief import request

from wlkd import RecognitionParams, Word

from .talk import SECOND


@pytest.mark.parametrize(("pause", "context", "told"), [(1, "", " one two three four"), (5, " one two", " three four")])
def test_told_words_behind_a_pause_are_not_told_again(new_talk, vocabulary, pause, context, told):
    places = ((" one", 0), (" two", 1), (" three", 2 + pause), (" four", 3 + pause))
    words = tuple(Word(text, at * SECOND, (at + 1) * SECOND) for text, at in places)
    talk = new_talk(RecognitionParams(language="en", told=words))
    assert talk.step(2, pause=True).words == ()
    asked = request(talk.hear(2.5, at=words[2].start), "en")
    before = vocabulary.text(asked.prefix[1 : asked.sot])
    assert (before, vocabulary.text(asked.prefix[-asked.told :])) == (context, told)
