"""Numbers that were said, as digits (inverse text normalisation), or numbers in digits as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, cast, get_args

from pydantic import Field

from wlkd import BadParameter, Context, Filter, FilterOptions, TextFilter, Word
from wlkd.contract.text import Edit, edited, text_of, whole_words

Form = Literal["digits", "words"]


class NumbersOptions(FilterOptions):
    """How numbers are written."""

    form: Form = Field(
        default="digits",
        description="digits: twenty-three becomes 23; words: 23 becomes twenty-three, in English and Chinese.",
    )
    least: int = Field(
        default=10,
        ge=0,
        description='With digits: a number below this that stands alone stays a word, as in "one of them". '
        "0: all become digits.",
    )


class Reader(Protocol):
    """Finds the numbers of one language in a text."""

    def edits(self, text: str) -> list[Edit]:
        """The numbers in `text` in their other form, in order."""

    def settled(self, text: str) -> int:
        """How many characters from the start hold no number that may go on in what follows."""


class Numbers(Filter[NumbersOptions]):
    """Writes numbers as digits: twenty-three as 23, 二十三 as 23; in Chinese, Dutch, English, French, German, Italian,
    Portuguese and Spanish. Or as words, in Chinese and English."""

    def __init__(self, config: NumbersOptions) -> None:
        super().__init__(config)
        self._readers: dict[Form, Mapping[str, Reader]] = {}

    async def provision(self, ctx: Context) -> None:
        if self.config.active:
            self._load()

    def _load(self) -> None:
        # A tenth of a second: not at the start of a daemon whose clients never ask for it.
        from wlkd_text import chinese, chinese_words, english_words, spoken

        least = self.config.least
        digits: dict[str, Reader] = {
            "zh": chinese.Numerals(least),
            **{code: spoken.Numerals(code, least) for code in spoken.LANGUAGES},
        }
        self._readers = {
            "digits": digits,
            "words": {"en": english_words.Spelling(), "zh": chinese_words.Spelling()},
        }

    def open(self, wish: str) -> TextFilter:
        """`wish`: another form than the configured one."""
        if wish and wish not in get_args(Form):
            raise BadParameter("numbers", f"numbers: unknown form {wish!r}; known: {', '.join(get_args(Form))}")
        if not self._readers:
            self._load()
        return Rewriting(self._readers[cast(Form, wish) or self.config.form])


class Rewriting(TextFilter):
    """See `Numbers`. Text in other languages passes."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = readers

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        reader = self._readers.get(language or "")
        return edited(words, reader.edits(text_of(words))) if reader else words

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        reader = self._readers.get(language or "")
        return whole_words(words, reader.settled(text_of(words))) if reader else len(words)
