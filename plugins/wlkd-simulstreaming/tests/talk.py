"""A stream that is told hypotheses instead of hearing them from a model."""

import dataclasses

import numpy as np
from wlkd_simulstreaming.brief import Listener, first_state, make_brief, request, spelled_anew, with_firm_pauses
from wlkd_simulstreaming.hypothesis import Choice, Hypothesis
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.settling import Heard, conclude

from wlkd import Frame, RecognitionParams

SECOND = 16000


def hypothesis(vocabulary, *words, ended=True, no_speech=0.0, logprob=-0.1, mark=-9.0, guards=()):
    """`words` as (text, frame): all tokens of a word attend to its frame."""
    choices = [
        Choice(token, logprob, frame, (ord("x"), -9.0), mark)
        for text, frame in words
        for token in vocabulary.encode(text)
    ]
    return Hypothesis(tuple(choices), ended, no_speech=no_speech, guards=frozenset(guards))


def doubting(heard, place, logprob):
    choices = list(heard.choices)
    choices[place] = choices[place]._replace(logprob=logprob)
    return dataclasses.replace(heard, choices=tuple(choices))


class Talk:
    """A stream, and its steps one after the other."""

    def __init__(self, vocabulary, dims, params=None, only=None, **options):
        # With the doubt of `hypothesis`, 0.1, words must lie 25 frames clear of the end.
        options = {"frame_threshold": 20, "doubt_threshold": 50, **options}
        self.vocabulary = vocabulary
        params = params or RecognitionParams(language="en")
        brief = make_brief(SimulStreamingOptions(**options), vocabulary, dims, params, only)
        self.stream = Listener(brief, first_state(brief, params))
        self.at = 0
        self.guards = frozenset()

    def hear(self, seconds, *, at=None, end=False, pause=False):
        self.at = self.at if at is None else at
        count = int(seconds * SECOND)
        self.stream.accept(Frame(self.at, np.zeros(count, np.float32)))
        self.at += count
        if end:
            self.stream.end_segment(self.at)
        if pause:
            self.stream.pause(self.at)
        return with_firm_pauses(self.stream.plan())

    def step(self, seconds, *words, end=False, pause=False, at=None, language="en", **how):
        step = self.hear(seconds, at=at, end=end, pause=pause)
        return self.conclude(step, hypothesis(self.vocabulary, *words, **how), language)

    def conclude(self, step, heard, language="en"):
        conclusion = conclude(Heard(spelled_anew(step, heard), language, heard))
        self.stream.adopt(conclusion.state)
        self.guards = conclusion.guards
        return conclusion.commit

    def request(self, **how):
        return request(self.stream.plan(), "en", **how)


def texts(words):
    return [word.text for word in words]


def memory_of(decoder, states, contents):
    """Of `states`, and all the silence behind them that `decoder` remembers."""
    return decoder.memory(states, contents, [decoder.dims.n_audio_ctx] * len(states))


def prompt_text(talk, request):
    """The text in a prefix before the start of the transcript."""
    return talk.vocabulary.text(request.prefix[: request.sot])
