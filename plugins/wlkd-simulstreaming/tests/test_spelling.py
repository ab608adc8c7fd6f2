"""Words whose capital or whose mark before them is in doubt. No model."""

import dataclasses

import pytest

from .talk import hypothesis, texts


def in_doubt(vocabulary, instead, place=0):
    """Three words; the model would say the token `instead` nearly as likely at `place` of the second."""
    heard = hypothesis(vocabulary, (" one", 20), (" two", 110), (" three", 140))
    choices, at = list(heard.choices), len(vocabulary.encode(" one")) + place
    choices[at] = choices[at]._replace(logprob=-0.7, runner_up=(vocabulary.encode(instead)[0], -0.72))
    return dataclasses.replace(heard, choices=tuple(choices))


@pytest.mark.parametrize("instead", [" T", ",", ".", "?"])
def test_another_spelling_is_no_reason_to_wait(talk, vocabulary, instead):
    commit = talk.conclude(talk.hear(3), in_doubt(vocabulary, instead))
    assert texts(commit.words) == [" one", " two"]


@pytest.mark.parametrize(("instead", "place"), [(" th", 0), ("a", 0), (",", 1), ("T", 1)])
def test_another_word_is(talk, vocabulary, instead, place):
    commit = talk.conclude(talk.hear(3), in_doubt(vocabulary, instead, place))
    assert texts(commit.words) == [" one"]


@pytest.mark.parametrize(
    ("instead", "read"), [(" T", " one Two"), (",", " one, two"), (" th", " one two"), ("a", " one two")]
)
def test_the_model_reads_a_committed_word_as_it_would_spell_it_by_now(talk, vocabulary, instead, read):
    talk.conclude(talk.hear(3), in_doubt(vocabulary, " T"))
    place = len(vocabulary.encode(" one"))
    assert talk.request().open == (place,)
    heard = hypothesis(vocabulary, (" three", 140), (" four", 180))
    step = talk.hear(1)
    commit = talk.conclude(step, dataclasses.replace(heard, instead={place: vocabulary.encode(instead)[0]}))
    assert texts(commit.words) == [" three"], "the reader has the word"
    told = talk.request()
    assert vocabulary.text(told.prefix[-told.told :]) == f"{read} three"


def test_a_mark_and_then_a_capital(talk, vocabulary):
    talk.conclude(talk.hear(3), in_doubt(vocabulary, "."))
    for instead in (".", " T"):
        [place] = talk.request().open
        talk.conclude(talk.hear(0.2), hypothesis(vocabulary, (" three", 140)))
        again = dataclasses.replace(
            hypothesis(vocabulary, (" three", 140)), instead={place: vocabulary.encode(instead)[0]}
        )
        talk.conclude(talk.hear(0.2), again)
    assert vocabulary.text(talk.request().prefix).endswith(" one. Two")


def test_a_word_that_the_model_is_sure_of_stays_as_it_is(talk):
    talk.step(3, (" one", 20), (" two", 90), (" three", 140))
    assert talk.request().open == ()
