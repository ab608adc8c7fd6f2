"""Sounds of people who think, left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from wlkd import BadParameter, Filter, FilterOptions, TextFilter, Word
from wlkd.contract.text import UNSPACED_LANGUAGES, spaced
from wlkd.contract.types import SENTENCE_ENDS

SHIPPED: Mapping[str, tuple[str, ...]] = {
    "en": ("uh", "uhh", "um", "umm", "uhm", "er", "erm", "hm", "hmm", "mm"),
    "de": ("äh", "ähm", "öh", "öhm", "hm", "hmm"),
    "fr": ("euh", "heu", "hm", "hmm"),
    "es": ("eh", "ehm", "hm", "hmm"),
    "it": ("ehm", "uhm", "mh"),
    "nl": ("eh", "ehm", "uh", "uhm", "hm", "hmm"),
    "pt": ("ahn", "hum", "hm", "hmm"),
    "zh": ("呃",),
}
"""What also means something is not here: 嗯, mhm and uh-huh are answers."""
EMERGENCY_ROOM = "ER"
COMMAS = (",", "，")
MARKS = ",，、.…。!！?？-–—"


class FillersOptions(FilterOptions):
    """What is left out."""

    by_language: Mapping[str, tuple[str, ...]] = Field(
        default={},
        description="Single words to leave out, like {en: [um, uh]}; the list replaces the one that wlkd has for "
        "de, en, es, fr, it, nl, pt or zh.",
    )


class Fillers(Filter[FillersOptions]):
    """Leaves out um, uh and their like."""

    def open(self, wish: str) -> TextFilter:
        if wish:
            raise BadParameter("fillers", f"fillers takes no value, and got {wish!r}")
        return LeavingOut({**SHIPPED, **self.config.by_language})


class LeavingOut(TextFilter):
    """See `Fillers`. A filler hands its capital to the next word, and the end of a sentence to a comma before it."""

    def __init__(self, by_language: Mapping[str, Sequence[str]]) -> None:
        self._by_language = {code: {word.casefold() for word in own} for code, own in by_language.items()}

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        done: list[Word] = []
        capital = left_out = False
        for word, goes in zip(words, self._left_out(words, language), strict=True):
            bare = word.text.strip()
            if goes:
                if bare.endswith(SENTENCE_ENDS) and done and done[-1].text.endswith(COMMAS):
                    done[-1] = replace(done[-1], text=done[-1].text[:-1] + bare[-1])
                capital |= bare[:1].isupper()
                left_out = True
                continue
            if left_out and done and bare[:1].isalnum() and done[-1].text[-1:].isalnum():
                # 呃 needs no space beside it, and English words would run together.
                word = replace(word, text=spaced(done[-1].text, word.text))
            left_out = False
            if capital and bare:
                if bare.islower():
                    # Not iPhone.
                    word = replace(word, text=word.text.replace(bare, bare[0].upper() + bare[1:]))
                capital = False
            done.append(word)
        return done

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        """Fillers at the end wait for the word that may get their capital, and the word before them, or before those
        that may come, if they change something at its end or it says what they are."""
        left_out = self._left_out(words, language)
        count = len(words)
        while count and (left_out[count - 1] or self._waits(words, left_out, count - 1, language)):
            count -= 1
        return count

    def _waits(self, words: Sequence[Word], left_out: Sequence[bool], place: int, language: str | None) -> bool:
        """Whether a filler behind the word at `place` may make its comma the end of a sentence, or leave it without a
        space before an English word, or be a unit."""
        comes_last = place == len(words) - 1 or left_out[place + 1]
        text = words[place].text
        needs_space = language in UNSPACED_LANGUAGES and text[-1:].isalnum() and spaced(text, "a") != "a"
        return comes_last and (text.endswith(COMMAS) or needs_space or text[-1:].isdigit())

    def _left_out(self, words: Sequence[Word], language: str | None) -> list[bool]:
        """For each word whether it goes: a filler, or a mark of its own behind one."""
        left_out: list[bool] = []
        ends_with_filler = False
        for place, word in enumerate(words):
            bare = word.text.strip()
            before = words[place - 1].text if place else ""
            if self._is_filler(bare, before, language):
                left_out.append(True)
                # A filler that is a sentence, or the end of one whose comma becomes its full stop.
                ends_with_filler = bare[:1].isupper() or before.endswith(COMMAS)
            else:
                is_mark = bool(left_out) and left_out[-1] and not bare.strip(MARKS)
                left_out.append(is_mark and (ends_with_filler or not bare.endswith(SENTENCE_ENDS)))
        return left_out

    def _is_filler(self, bare: str, before: str, language: str | None) -> bool:
        """Whether the word `bare` is one, behind the text `before`."""
        plain = bare.strip(MARKS)
        is_unit = plain == "mm" and before[-1:].isdigit()
        return plain != EMERGENCY_ROOM and not is_unit and plain.casefold() in self._by_language.get(language or "", ())
