"""AlignAtt (Papi et al. 2023, arXiv 2305.11408): the audio that a word attends to decides whether it may stay.

A word whose attention lies close to the end of the audio leans on sound that is still to come, so neither it nor
anything after it is settled. How close is too close depends on the model's doubt, the negative log-probability of the
least certain token of the word, commas left out: words that it was sure of hardly ever changed once a few more frames
had been heard, those that it doubted did so often, however far from the end they lay (docs/experiments.md has the
figures).
"""

from __future__ import annotations

MOST_FOR_DOUBT = 50
"""Frames, a second: what has not become clear by then hardly becomes clearer."""
SEGMENT_RATIO = 1.5
"""How long a stretch of speech must be, over the distance that is asked for: short windows are heard worse."""


def is_settled(frame: int, doubt: float, content: int, segment: int, threshold: float, per_doubt: float) -> bool:
    """Whether a word that attends to `frame`, at most, of `content` frames stands.

    It must lie `threshold` frames clear of the end, and `per_doubt` more for each unit of `doubt`, up to
    `MOST_FOR_DOUBT`. `segment`: frames of speech since the last pause.
    """
    distance = threshold + min(per_doubt * doubt, MOST_FOR_DOUBT)
    return content - frame > distance and segment >= SEGMENT_RATIO * distance


def rewinds(previous: int, frame: int, rewind_threshold: int) -> bool:
    """Whether attention jumped back so far that the decoder has begun to tell the audio once more."""
    return previous - frame > rewind_threshold
