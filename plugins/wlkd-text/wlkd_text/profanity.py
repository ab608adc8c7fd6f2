"""Words that are not to be read, masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

from pydantic import Field

from wlkd import BadParameter, Filter, FilterOptions, TextFilter, Word
from wlkd.contract.text import Edit, edited, text_of
from wlkd_text.phrases import ByLanguage, Phrases, removal

SHIPPED: ByLanguage = {
    "en": (
        *("asshole", "assholes", "bastard", "bastards", "bitch", "bitches", "bullshit", "cunt", "cunts"),
        *("fuck", "fucked", "fucker", "fuckers", "fucking", "motherfucker", "motherfuckers", "motherfucking"),
        *("shit", "shits", "shitty", "wanker", "wankers"),
    ),
    "zh": ("他妈的", "操你妈", "傻逼", "他媽的"),
    "de": ("arschloch", "arschlöcher", "ficken", "scheiße", "scheisse", "verfickt", "wichser"),
    "fr": ("connard", "connards", "enculé", "merde", "putain", "salope"),
    "es": ("cabrón", "cabrones", "gilipollas", "hijo de puta", "joder", "mierda", "puta"),
}
Mask = Literal["first_letter", "stars", "remove"]


class ProfanityOptions(FilterOptions):
    """What is masked, and how."""

    mask: Mask = Field(
        default="first_letter", description="first_letter: s***; stars: ****; remove: the word is left out."
    )
    words: tuple[str, ...] = Field(
        default=(), description="Words to mask in every language, in addition to the language's own."
    )
    by_language: ByLanguage = Field(
        default={},
        description="Words to mask in one language, like {en: [darn]}; the list replaces the one that wlkd has for "
        "de, en, es, fr or zh.",
    )


class Profanity(Filter[ProfanityOptions]):
    """Masks profanity that is on a list; the word's length and place stay."""

    def open(self, wish: str) -> TextFilter:
        """`wish`: another mask than the configured one."""
        if wish and wish not in get_args(Mask):
            raise BadParameter("profanity", f"profanity: unknown mask {wish!r}; known: {', '.join(get_args(Mask))}")
        return Masking(cast(Mask, wish) or self.config.mask, self.config.words, {**SHIPPED, **self.config.by_language})


class Masking(TextFilter):
    """See `Profanity`."""

    def __init__(self, mask: Mask, words: Sequence[str], by_language: ByLanguage) -> None:
        self._mask = mask
        self._common = Phrases(words)
        self._lists = {code: Phrases([*words, *own]) for code, own in by_language.items()}

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        text = text_of(words)
        edits: list[Edit] = []
        for match in self._list(language).find(text):
            start, end = match.span()
            removes = self._mask == "remove"
            edits.append(removal(text, match, edits) if removes else Edit(start, end, self._masked(text[start:end])))
        return edited(words, edits)

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        phrases = self._list(language)
        if self._mask == "remove":
            return phrases.settled_for_removal(words, lambda said: True)
        return phrases.settled(words)

    def _list(self, language: str | None) -> Phrases:
        return self._lists.get(language or "", self._common)

    def _masked(self, phrase: str) -> str:
        shown = 1 if self._mask == "first_letter" else 0
        return " ".join(word[:shown] + "*" * (len(word) - shown) for word in phrase.split())
