"""How long a word must have stayed the same before it is committed. No model."""

from .talk import texts


def test_a_word_that_the_step_before_did_not_tell_waits_for_the_next(talk):
    talk.step(3, (" one", 20), (" tow", 140))
    commit = talk.step(1, (" two", 140), (" three", 160), (" four", 195))
    assert (texts(commit.words), texts(commit.tentative)) == ([], [" two", " three", " four"])
    commit = talk.step(0.2, (" Two", 140), (" three,", 160), (" four", 195))
    assert texts(commit.words) == [" Two", " three,"], "capitals and marks change no word"


def test_a_word_stands_at_last_however_often_it_changes(talk):
    talk.step(3, (" one", 20), (" tow", 128), (" three", 140))
    commit = talk.step(1, (" two", 90), (" three", 160), (" four", 195))
    assert texts(commit.words) == [" two", " three"], "2 s are enough"


def test_words_stand_as_long_as_those_before_them(talk):
    talk.step(3, (" one", 20), (" two", 128), (" three", 140))
    commit = talk.step(1, (" too", 128), (" three", 140), (" four", 195))
    assert texts(commit.words) == []


def test_a_word_in_what_no_step_has_heard_need_not_be_told_twice(talk):
    talk.step(3, (" one", 20), (" two", 140))
    commit = talk.step(2, (" two", 140), (" three", 180), (" four", 200), (" five", 240))
    assert texts(commit.words) == [" two", " three", " four"]
