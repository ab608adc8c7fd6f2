"""Numbers that were said, as digits (inverse text normalisation)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from wlkd import BadParameter, Context, Filter, FilterOptions, TextFilter, Word
from wlkd.contract.text import Edit, edited, text_of, whole_words


class NumbersOptions(FilterOptions):
    """What is written as digits."""

    least: int = Field(
        default=10,
        ge=0,
        description='A number below this that stands alone stays a word, as in "one of them". 0: all become digits.',
    )


class Reader(Protocol):
    """Finds the numbers of one language in a text."""

    def edits(self, text: str, least: int) -> list[Edit]:
        """Digits for the numbers in `text`, in order; numbers below `least` that stand alone are left."""

    def settled(self, text: str) -> int:
        """How many characters from the start hold no number that may go on in what follows."""


class Numbers(Filter[NumbersOptions]):
    """Writes numbers as digits: twenty-three as 23, 二十三 as 23; in Chinese, Dutch, English, French, German, Italian,
    Portuguese and Spanish."""

    def __init__(self, config: NumbersOptions) -> None:
        super().__init__(config)
        self._readers: dict[str, Reader] = {}

    async def provision(self, ctx: Context) -> None:
        from wlkd_text import chinese, spoken

        self._readers = {"zh": chinese.Numerals(), **{code: spoken.Numerals(code) for code in spoken.LANGUAGES}}

    def open(self, wish: str) -> TextFilter:
        if wish:
            raise BadParameter("numbers", f"numbers takes no value, and got {wish!r}")
        return Digits(self._readers, self.config.least)


class Digits(TextFilter):
    """See `Numbers`. Text in other languages passes."""

    def __init__(self, readers: dict[str, Reader], least: int) -> None:
        self._readers = readers
        self._least = least

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        reader = self._readers.get(language or "")
        return edited(words, reader.edits(text_of(words), self._least)) if reader else words

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        reader = self._readers.get(language or "")
        return whole_words(words, reader.settled(text_of(words))) if reader else len(words)
