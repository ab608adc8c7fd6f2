"""AlignAtt (Papi et al. 2023, arXiv 2305.11408): the audio that a word attends to decides whether it may stay.

A word whose attention lies close to the end of the audio leans on sound that is still to come, so neither it nor
anything after it is settled. AlignAtt asks for the same distance for all words. Here a word must also stand: the steps
before must have told it too, as far as they heard it, and the words before it. For how long depends on the model's
doubt, the negative log-probability of the least certain token of the word; neither commas count nor how the word is
spelled (`spelling.py`). Words that it is sure of hardly ever change; whether doubtful ones do, the time for which they
have stood tells better than their distance from the end (docs/experiments.md has the figures). LocalAgreement (Liu et
al. 2020, arXiv 2005.11185) asks it of all words. And where the model doubts most of what it hears, nothing is settled
before the stretch of speech is long enough to make sense of.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

MOST_FOR_DOUBT = 20
"""Frames, 0.4 s: what has stood for so long mostly stays, however doubtful."""
SURE = 0.1
"""A word that is doubted less hardly ever changes: half the distance is enough."""
SEGMENT_RATIO = 1.5
"""How long a stretch of speech must be, over the distance that is asked for: short windows are heard worse."""
STRUGGLING = 0.5
"""Mean doubt of a hypothesis's words above which the model hardly understands what it hears, as in rooms that echo, or
at the beginning of a hard sentence."""
STRUGGLING_FRAMES = 200
"""How long a stretch of speech must be then, 4 s: first words that are wrong stay so until the sentence is nearly over
("Hard beginnings" in docs/experiments.md)."""


class Candidate(NamedTuple):
    """A word that may be settled."""

    distance: int
    """Frames from the last one that it attends to, to the end of the audio."""
    doubt: float
    """Negative log-probability of its least certain token."""
    stood: float
    """Frames for which the steps have told it, behind the same words."""


def is_settled(word: Candidate, segment: int, threshold: float, per_doubt: float) -> bool:
    """Whether `word` may stay, in a stretch of speech of `segment` frames.

    It must have stood for `per_doubt` frames for each unit of doubt, up to `MOST_FOR_DOUBT`, and lie that many frames
    and `threshold` more clear of the end; half of `threshold` if the model is sure of it.
    """
    asked = min(per_doubt * word.doubt, MOST_FOR_DOUBT)
    clear = asked + (threshold / 2 if word.doubt < SURE else threshold)
    return word.distance > clear and segment >= SEGMENT_RATIO * (threshold + asked) and word.stood >= asked


def hears_enough(doubts: Sequence[float], segment: int) -> bool:
    """Whether words of a hypothesis may stay at all, in a stretch of speech of `segment` frames: the model does not
    struggle with it (`doubts`, one for each word), or has heard a good deal."""
    return segment >= STRUGGLING_FRAMES or not doubts or fmean(doubts) <= STRUGGLING


def rewinds(previous: int, frame: int, rewind_threshold: int) -> bool:
    """Whether attention jumped back so far that the decoder has begun to tell the audio once more."""
    return previous - frame > rewind_threshold
