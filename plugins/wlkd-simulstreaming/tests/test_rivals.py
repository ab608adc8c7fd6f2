"""A second opinion on words that the model doubts."""

import dataclasses

import pytest
from wlkd_simulstreaming.hypothesis import Hypothesis, Request
from wlkd_simulstreaming.rivals import is_doubtful, rival_request, winner

HEARD = Hypothesis(
    tokens=(1, 2, 3, 4),
    frames=(10, 20, 30, 40),
    logprobs=(-0.1, -0.5, -1.0, -1.0),
    runners_up=((11, -3.0), (12, -0.9), (13, -1.2), (14, -2.0)),
    no_speech=0.1,
)


def rival(*logprobs, frames=None, **how):
    frames = frames or tuple(30 + 10 * place for place in range(len(logprobs)))
    return Hypothesis(tuple(range(50, 50 + len(logprobs))), frames, logprobs, ((0, -9.0),) * len(logprobs), **how)


@pytest.mark.parametrize(
    ("said", "logprob", "instead", "doubtful"),
    [
        ("a", -0.5, "b", True),
        ("a", -0.3, "b", False),
        ("a", -0.5, "A", False),
        ("a", -0.5, ",", False),
        (",", -0.5, "a", False),
        ("a", -0.5, "", False),
    ],
)
def test_a_token_is_doubtful_where_another_word_is_nearly_as_likely(vocabulary, said, logprob, instead, doubtful):
    [token] = vocabulary.encode(said)
    [second] = vocabulary.encode(instead) or [vocabulary.eot]
    heard = Hypothesis((token,), (10,), (logprob,), ((second, -0.9),))
    assert is_doubtful(heard, 0, vocabulary) is doubtful


def test_parts_of_characters_count_as_words(vocabulary):
    said, instead = "好".encode()[0], "你".encode()[0]
    assert is_doubtful(Hypothesis((said,), (10,), (-0.5,), ((instead, -0.9),)), 0, vocabulary)


@pytest.mark.parametrize(("last_frame", "rivals"), [(None, None), (40, 40), (90, 81)])
def test_the_rival_begins_with_the_runner_up_and_may_go_on_as_before(last_frame, rivals):
    asked = rival_request(Request((7, 8), (1, 2), 100, 1, 5, 0, last_frame, 20), HEARD, 1)
    assert asked.prefix == (7, 8, 1, 12)
    assert asked.told == 3
    assert asked.draft == (3, 4)
    assert asked.floor == 20
    assert asked.last_frame == rivals
    assert asked.max_tokens == 18


def test_the_likelier_sentence_wins():
    better = winner(HEARD, 1, rival(-0.1, -0.2, ended=True))
    assert better.tokens == (1, 12, 50, 51)
    assert better.frames == (10, 20, 30, 40)
    assert better.logprobs == (-0.1, -0.9, -0.1, -0.2)
    assert better.runners_up[1] == (2, -0.5)
    assert better.ended
    assert better.no_speech == 0.1
    assert winner(HEARD, 1, rival(-0.8, -0.9)) is HEARD


def test_what_comes_later_than_the_first_word_out_of_reach_does_not_count():
    later = rival(-0.1, -0.2, -0.1, -9.0, frames=(30, 40, 81, 82))
    assert winner(HEARD, 1, later).tokens == (1, 12, 50, 51, 52, 53)
    near = rival(-0.1, -0.2, -0.1, -9.0, frames=(30, 40, 80, 82))
    assert winner(HEARD, 1, near) is HEARD


def test_nobody_wins_by_leaving_words_out():
    assert winner(HEARD, 1, rival(ended=True, end_logprob=-2.0)) is HEARD
    assert winner(HEARD, 1, rival(-2.0, frames=(100,))) is HEARD
    assert winner(HEARD, 1, rival(ended=True, end_logprob=-0.2)).tokens == (1, 12)


@pytest.mark.parametrize("fault", ["looped", "rewound", "retold"])
def test_a_rival_that_went_wrong_loses(fault):
    assert winner(HEARD, 1, dataclasses.replace(rival(-0.1), **{fault: True})) is HEARD
