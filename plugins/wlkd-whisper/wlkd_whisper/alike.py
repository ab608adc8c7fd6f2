"""How far two hypotheses about the same speech say the same: case and marks may still change, words may not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def plain(text: str) -> str:
    """`text` as it sounds: without capitals, marks and spaces. Signs for vowels stay, as Hindi and Thai write them."""
    return "".join(sign for sign in text.casefold() if unicodedata.category(sign)[0] not in "PZS")


def alike(before: Sequence[str], now: Sequence[str]) -> int:
    """How many of the first words of two texts are the same."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if plain(old) != plain(new):
            break
        count += 1
    return count
