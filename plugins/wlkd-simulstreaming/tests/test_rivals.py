"""A second opinion on words that the model doubts."""

import dataclasses

import pytest
from prometheus_client import CollectorRegistry
from wlkd_simulstreaming.guards import CUT_SHORT, Guard
from wlkd_simulstreaming.hypothesis import Choice, Hypothesis, Request
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.rivals import (
    DOUBTFUL_LOGPROB,
    MOST_RIVALS,
    is_better,
    is_doubtful,
    rival_request,
    with_second_opinions,
)


def heard(*choices, **how):
    """`choices` as (token, log-probability, frame); the runner-up of each is ten tokens on, half as likely."""
    return Hypothesis(
        tuple(Choice(token, logprob, frame, (token + 10, logprob - 0.7), -9.0) for token, logprob, frame in choices),
        **how,
    )


HEARD = heard((1, -0.1, 10), (2, -0.5, 20), (3, -1.0, 30), (4, -1.0, 40))
REQUEST = Request((7, 8), (1, 2), 0, 5, 0, 90, 20)


def rival(*choices, **how):
    return heard((1, -0.1, 10), (12, -1.2, 20), *choices, **how)


@pytest.mark.parametrize(
    ("said", "logprob", "instead", "doubtful"),
    [
        (b"a", -0.5, b"b", True),
        (b"a", -0.3, b"b", False),
        (b"a", -0.5, b"A", False),
        (b"a", -0.5, b",", False),
        (b",", -0.5, b"a", False),
        ("好".encode()[:1], -0.5, "你".encode()[:1], True),
    ],
)
def test_a_token_is_doubtful_where_another_word_is_nearly_as_likely(vocabulary, said, logprob, instead, doubtful):
    assert is_doubtful(Choice(said[0], logprob, 10, (instead[0], -0.9), -9.0), vocabulary, DOUBTFUL_LOGPROB) is doubtful


def test_the_end_is_no_other_word(vocabulary):
    assert not is_doubtful(Choice(ord("a"), -0.5, 10, (vocabulary.eot, -0.9), -9.0), vocabulary, DOUBTFUL_LOGPROB)


def test_the_rival_begins_with_the_runner_up_and_may_go_on_as_before():
    asked = rival_request(REQUEST, HEARD, 1)
    assert asked.begun == (HEARD.choices[0], Choice(12, -1.2, 20, (2, -0.5), -9.0))
    assert asked.draft == (3, 4)
    assert dataclasses.replace(asked, begun=(), draft=(1, 2)) == REQUEST
    assert rival_request(dataclasses.replace(REQUEST, max_tokens=4), HEARD, 1).draft == (3,)


def test_the_likelier_sentence_is_better():
    assert is_better(rival((50, -0.1, 30), (51, -0.2, 40)), HEARD, 1)
    assert not is_better(rival((50, -0.8, 30), (51, -0.9, 40)), HEARD, 1)


def test_what_comes_later_than_the_first_word_out_of_reach_does_not_count():
    assert is_better(rival((50, -0.1, 30), (51, -0.1, 81), (52, -9.0, 82)), HEARD, 1)
    assert not is_better(rival((50, -0.1, 30), (51, -0.1, 80), (52, -9.0, 82)), HEARD, 1)


def test_nobody_wins_by_leaving_words_out():
    assert not is_better(rival(ended=True, end_logprob=-2.0), HEARD, 1)
    assert not is_better(rival((50, -2.0, 100)), HEARD, 1)
    assert is_better(rival(ended=True, end_logprob=-0.2), HEARD, 1)
    long = heard((1, -0.1, 10), (2, -0.5, 20), *((token, -1.0, 10 * token) for token in range(3, 30)))
    assert not is_better(rival((50, -0.1, 30), (51, -0.1, 85), ended=True, end_logprob=-0.1), long, 1)


@pytest.mark.parametrize("fault", sorted(CUT_SHORT))
def test_a_rival_that_went_wrong_is_not_better(fault):
    assert not is_better(rival((50, -0.1, 30), guards=frozenset({fault})), HEARD, 1)


class Opinions:
    """Asks for second opinions on a batch; `rivals` are the answers, one list for each round."""

    def __init__(self, hypotheses, doubts, *rivals, request=REQUEST):
        self.registry, self.asked, self._rivals = CollectorRegistry(), [], list(rivals)
        self._doubts = doubts
        self.result = with_second_opinions(
            [request] * len(hypotheses), hypotheses, self._doubted, self._decode, Metrics(self.registry)
        )

    def _doubted(self, row, one, begin):
        return next((at for at in self._doubts.get(row, ()) if at >= begin), None)

    def _decode(self, rows, requests):
        self.asked.append((list(rows), requests))
        return self._rivals.pop(0)

    def count(self, outcome):
        return self.registry.get_sample_value("wlkd_simulstreaming_second_opinions_total", {"outcome": outcome}) or 0


def test_each_stream_of_a_batch_gets_the_better_of_its_own_two():
    good, bad = rival((50, -0.1, 30), (51, -0.1, 40)), rival((50, -9.0, 30), (51, -9.0, 40))
    opinions = Opinions([HEARD] * 4, {1: [1], 3: [1]}, [bad, good])
    assert opinions.result == [HEARD, HEARD, HEARD, good]
    [(rows, requests)] = opinions.asked
    assert rows == [1, 3]
    assert requests == [rival_request(REQUEST, HEARD, 1)] * 2
    assert (opinions.count("kept"), opinions.count("changed")) == (1, 1)


def test_the_next_doubt_is_looked_for_behind_the_last_and_not_for_ever():
    bad = rival((50, -9.0, 30), (51, -9.0, 40))
    opinions = Opinions([HEARD], {0: [0, 1, 2, 3]}, *[[bad]] * MOST_RIVALS)
    assert opinions.result == [HEARD]
    assert [len(requests[0].begun) for _, requests in opinions.asked] == [1, 2, 3]


def test_what_a_guard_will_see_to_gets_no_second_opinion():
    assert Opinions([dataclasses.replace(HEARD, guards=frozenset({Guard.RETOLD}))], {0: [1]}).asked == []
    echoing = dataclasses.replace(REQUEST, prefix=(1, 2, 3, 4, 9), sot=4)
    assert Opinions([HEARD], {0: [1]}, request=echoing).asked == []


def test_the_prompt_is_no_better_opinion():
    prompt = dataclasses.replace(REQUEST, prefix=(1, 12, 50, 9), sot=3)
    assert Opinions([HEARD], {0: [1]}, [rival((50, -0.1, 30))], request=prompt).result == [HEARD]
