"""A doubtful capital, or a doubtful mark before a word, makes no other word, so no word waits for it.

But the model goes on as the text before is written: behind a small letter at the beginning of a sentence hardly a mark
comes, and where a comma is missing other words do. So the spelling of such a word stays open while it is in the window:
each step reads it as the model would spell it by now, though what the reader has does not change.
"""

from __future__ import annotations

import math

from wlkd_simulstreaming.alignatt import SURE
from wlkd_simulstreaming.hypothesis import Choice
from wlkd_simulstreaming.tokens import Vocabulary


def doubt_about_word(first: Choice, vocabulary: Vocabulary) -> float:
    """How much the model doubts `first`, which a word begins with: its runner-up counts for it if that is another
    spelling."""
    if not is_respelled(first, vocabulary):
        return -first.logprob
    return max(-math.log(math.exp(first.logprob) + math.exp(first.runner_up[1])), 0.0)


def is_open(first: Choice, vocabulary: Vocabulary) -> bool:
    """Whether the model may yet spell otherwise what a word begins with."""
    return -first.logprob >= SURE and is_respelled(first, vocabulary)


def is_respelled(first: Choice, vocabulary: Vocabulary) -> bool:
    """Whether the runner-up of what a word begins with is the same in other capitals, or a mark before it."""
    token, instead = first.token, first.runner_up[0]
    if not vocabulary.text([token]).startswith(" "):
        return False  # In a script without spaces the mark before a word may be a part of it.
    return vocabulary.is_mark(instead) or vocabulary.same_letters(token, instead)


def respelled(tokens: tuple[int, ...], place: int, instead: int, vocabulary: Vocabulary) -> tuple[tuple[int, ...], int]:
    """The tokens of a word as the model would spell it by now, and where it stays open: it was at `place`, where the
    model would say `instead`. Another word is not taken for a spelling."""
    if vocabulary.same_letters(tokens[place], instead):
        return (*tokens[:place], instead, *tokens[place + 1 :]), place
    if place == 0 and vocabulary.is_mark(instead):
        return (instead, *tokens), 1
    return tokens, place
