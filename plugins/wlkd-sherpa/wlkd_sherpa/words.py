"""What a model says in tokens, as words with their times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wlkd import Word
from wlkd.contract.clock import SpeechClock
from wlkd.contract.text import begins_word

LONGEST_TOKEN = 0.4
"""Seconds that a token's sound lasts at most; a transducer says only when it heard it."""
GOES_ON = "@@"
"""How paraformers mark a piece that the next one goes on with."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, when it was heard, and how probable it is."""

    text: str
    at: float
    """Seconds since the stream began."""
    logprob: float | None = None


def tokens_of(
    texts: Sequence[str], times: Sequence[float], logprobs: Sequence[float], until: float, *, paraformer: bool
) -> list[Token]:
    """What sherpa-onnx tells. Where it tells no times, the tokens are spread over the `until` seconds heard.

    `paraformer`: the model is one, and writes words of Latin letters apart without saying so."""
    count = len(texts)
    at = times if len(times) == count else [until * place / count for place in range(count)]
    sure = logprobs if len(logprobs) == count else [None] * count
    spelt: list[Token] = []
    for place, text in enumerate(texts):
        after = texts[place - 1] if place else ""
        apart = paraformer and text.isascii() and not after.endswith(GOES_ON)
        spelt.append(Token((" " if apart else "") + text.removesuffix(GOES_ON), at[place], sure[place]))
    return spelt


def words_of(tokens: Sequence[Token], clock: SpeechClock, language: str) -> list[Word]:
    """The words that `tokens` spell, in order."""
    groups: list[list[Token]] = []
    before = ""
    for token in tokens:
        if groups and not begins_word(before, token.text, language):
            groups[-1].append(token)
        else:
            groups.append([token])
        before += token.text
    followers = [group[0].at for group in groups[1:]] + [math.inf]
    return [
        _word(group, following, clock)
        for group, following in zip(groups, followers, strict=True)
        if "".join(token.text for token in group).strip()
    ]


def _word(tokens: Sequence[Token], following: float, clock: SpeechClock) -> Word:
    known = [token.logprob for token in tokens if token.logprob is not None]
    end = min(tokens[-1].at + LONGEST_TOKEN, following)
    return Word(
        "".join(token.text for token in tokens),
        clock.session_time(tokens[0].at),
        clock.session_time(max(end, tokens[0].at), end=True),
        round(math.exp(min(sum(known) / len(known), 0.0)), 3) if known else None,
    )
