"""Words as a whole: what a model adds to a word later, a comma or the rest of its letters, belongs to that word.

A model commits a word when it hears the next one begin, and may change its mind about the mark between the two in its
next step. So the last word waits here, shown as tentative, unless it is over: the backend says so (`Commit.whole`), or,
where it does not, the next word follows, which the model is sure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wlkd.contract.text import begins_word, merged
from wlkd.contract.types import Word

SURE = 0.7
"""Confidence in the next word, tentative as it is, from which on the word before it counts as over. Most words
then go out at once; were every word to wait for its successor, all would come later."""


class WholeWords:
    """One stream's."""

    def __init__(self) -> None:
        self._held: Word | None = None

    @property
    def waits_from(self) -> int | None:
        """Sample index where the word that waits began; None: none does."""
        return None if self._held is None else self._held.start

    def pass_on(
        self, words: Sequence[Word], tentative: Sequence[Word], language: str | None, *, over: bool | None
    ) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """The words that are over, and the tail. `over`: whether the last of `words` is; None: nobody knows."""
        held = () if self._held is None else (self._held,)
        whole = _joined((*held, *words), language)
        self._held = None
        if over is None:
            over = bool(whole) and _is_over(whole[-1], tentative, language)
        if over or not whole:
            return tuple(whole), tuple(tentative)
        self._held = whole.pop()
        return tuple(whole), tuple(_joined((self._held, *tentative), language))


def _joined(words: Sequence[Word], language: str | None) -> list[Word]:
    """`words`, each with what belongs to it."""
    whole: list[Word] = []
    for word in words:
        if whole and not begins_word(whole[-1].text, word.text, language):
            whole[-1] = _with(whole[-1], word)
        else:
            whole.append(word)
    return whole


def _with(word: Word, piece: Word) -> Word:
    text = word.text + piece.text
    # A mark makes no sound: it changes neither when the word was said nor how sure that is.
    is_mark = not any(letter.isalnum() for letter in piece.text)
    return replace(word, text=text) if is_mark else merged((word, piece), text)


def _is_over(word: Word, tentative: Sequence[Word], language: str | None) -> bool:
    if not tentative or not begins_word(word.text, tentative[0].text, language):
        return False
    return (tentative[0].confidence or 0.0) >= SURE
