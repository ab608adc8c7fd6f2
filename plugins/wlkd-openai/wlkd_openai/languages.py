"""The languages of a transcript, as the API tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from wlkd import Line


def languages(lines: Iterable[Line]) -> list[dict[str, str]]:
    """The language of the most words first; nothing where no language was found."""
    words = Counter[str]()
    for line in lines:
        if line.language is not None and not line.is_silence:
            words[line.language] += len(line.words)
    return by_words(words)


def by_words(words: Counter[str]) -> list[dict[str, str]]:
    """`words`: how many there are in each language."""
    return [{"code": code} for code, _ in words.most_common()]
