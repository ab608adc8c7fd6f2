"""How sure the model is, as the API tells it: the logarithm of a probability. A word counts as one token here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from wlkd import Word

LEAST = 1e-6
"""Confidence 0 would be minus infinity, which JSON does not know."""


def logprob(confidence: float) -> float:
    """Of a confidence from 0 to 1."""
    return math.log(max(confidence, LEAST))


def logprobs(words: Iterable[Word]) -> list[dict[str, Any]]:
    """An entry for each word whose confidence is known."""
    return [
        {"token": word.text, "bytes": list(word.text.encode()), "logprob": round(logprob(word.confidence), 4)}
        for word in words
        if word.confidence is not None
    ]
