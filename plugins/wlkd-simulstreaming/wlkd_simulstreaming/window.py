"""Where to cut a window that has grown too long."""

from __future__ import annotations

from collections.abc import Sequence

from wlkd import Word
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import SENTENCE_ENDS

SENTENCE_BONUS_SECONDS = 1.5
"""A cut behind a sentence may be this much farther from the best place."""


def best_cut(words: Sequence[Word], end: int, kept: int, limit: int) -> int | None:
    """After which of the committed `words` to cut a window that ends at `end`; all times are sample indices.

    The last word stays in the window, where it tells the decoder how far the text has come. Of the others, the one
    that leaves about `kept` samples wins, and a sentence's end before others; none may leave more than `limit`.
    Returns the index of the word, or None.
    """

    def distance(index: int) -> float:
        bonus = SENTENCE_BONUS_SECONDS if words[index].text.rstrip().endswith(SENTENCE_ENDS) else 0.0
        return abs(end - words[index].end - kept) / SAMPLE_RATE - bonus

    candidates = [index for index in range(len(words) - 1) if end - words[index].end <= limit]
    return min(candidates, key=distance, default=None)
