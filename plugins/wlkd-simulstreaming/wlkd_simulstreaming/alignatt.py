"""AlignAtt (Papi et al. 2023, arXiv 2305.11408): the audio that a token attends to decides whether it may stay.

A token whose attention lies close to the end of the audio leans on sound that is still to come, so neither it nor
anything after it is settled.
"""

from __future__ import annotations

from collections.abc import Sequence


def settled_tokens(frames: Sequence[int], content: int, frame_threshold: int) -> int:
    """How many tokens from the first on lie clear of the end of `content` frames, by their attended frames."""
    for index, frame in enumerate(frames):
        if frame >= content - frame_threshold:
            return index
    return len(frames)


def rewinds(previous: int, frame: int, rewind_threshold: int) -> bool:
    """Whether attention jumped back so far that the decoder has begun to tell the audio once more."""
    return previous - frame > rewind_threshold
