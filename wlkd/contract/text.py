"""Words and their text: where one begins, how texts join, and for filters, what a change of the text does to words and
their times."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from wlkd.contract.types import SENTENCE_ENDS, Word

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})
"""Written without spaces between words: each character counts as a word."""
CHINESE = frozenset({"zh", "yue"})
CLOSING = "\"'”’»)]」』）"
"""Marks that may follow the end of a sentence."""
CLAUSE_ENDS = tuple(",;:，；：、")
ABBREVIATIONS = frozenset(
    {
        *("mr.", "mrs.", "ms.", "dr.", "prof.", "sr.", "jr.", "st.", "mt.", "vs.", "etc.", "approx.", "fig."),
        *("nr.", "bzw.", "ca.", "ggf.", "evtl.", "vgl.", "inkl.", "hr."),
        *("mme.", "mlle.", "sra.", "dra.", "srta.", "ud.", "uds.", "núm."),
        *("sig.", "dott.", "avv.", "ecc."),
    }
)
"""Words whose full stop ends no sentence, mostly. No. is an answer more often than a number."""
INITIALS = re.compile(r"(?:[^\W\d_]\.){2,}")
"""So it is with p.m., U.S. and e.g."""
ORDINALS = frozenset(
    {"bs", "cs", "da", "de", "et", "fi", "hr", "hu", "is", "lb", "lv", "nn", "no", "pl", "sk", "sl", "tr"}
)
"""Languages in which 3. is the third, as in every date. Few sentences end in so small a number."""
ORDINAL = re.compile(r"\d{1,2}\.")
BEFORE_WORD = re.compile(r"[\s\"'“‘«„(\[¿¡\u2e80-\u9fff\uff00-\uffef]")
"""What may stand before a word of letters and not be part of it: space, opening marks, Chinese and Japanese."""


def begins_word(before: str, piece: str, language: str | None) -> bool:
    """Whether `piece`, which follows the text `before`, begins a word of its own."""
    if piece[:1].isspace() or not before:
        return True
    if language not in UNSPACED_LANGUAGES or not piece:
        return False
    if begins_with_mark(piece):
        return False
    if unicodedata.category(before[-1]) in ("Ps", "Pi"):
        return False
    return not (_is_latin(before[-1]) and _is_latin(piece[0]))


def ends_sentence(text: str, language: str | None) -> bool:
    """Whether a sentence ends with the last word of `text`."""
    bare = text.strip().rstrip(CLOSING)
    if not bare.endswith(SENTENCE_ENDS):
        return False
    word = BEFORE_WORD.split(bare)[-1]
    is_ordinal = language in ORDINALS and ORDINAL.fullmatch(word) is not None
    return not is_ordinal and not is_abbreviation(word, language)


def ends_clause(text: str) -> bool:
    """Whether `text` ends with a comma or the like: what follows it is read apart."""
    return text.strip().endswith(CLAUSE_ENDS)


def is_abbreviation(bare: str, language: str | None) -> bool:
    """Whether the full stop of the word `bare` ends no sentence."""
    # Of initials like J. too: people have more of them than sentences end in a single letter. And z. B. in German.
    initial = len(bare) == 2 and bare[1] == "." and (bare[0].isupper() or (language == "de" and bare[0].islower()))
    return initial or INITIALS.fullmatch(bare) is not None or bare.lower() in ABBREVIATIONS


def begins_with_mark(text: str) -> bool:
    """Whether `text` begins with something that belongs to the character before: marks, punctuation and closing quotes;
    opening ones belong to the character after."""
    kind = unicodedata.category(text[0]) if text else ""
    return kind[:1] in ("M", "P") and kind not in ("Ps", "Pi")


def _is_latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` up to, not including, `stop` of a text become `text`."""

    start: int
    stop: int
    text: str


def text_of(words: Iterable[Word]) -> str:
    """What `words` read together."""
    return "".join(word.text for word in words)


def spaced(before: str, text: str) -> str:
    """`text` with the space that it needs behind `before`: none in the beginning, beside another one, and in scripts
    whose characters are wide and stand without spaces."""
    seam = before[-1:] + text[:1]
    if len(seam) == 2 and not any(mark.isspace() or unicodedata.east_asian_width(mark) in "WF" for mark in seam):
        return f" {text}"
    return text


def joined(texts: Iterable[str]) -> str:
    """wlkd's texts bring their own spacing; other servers strip it, and translations of two lines have none between
    them: texts that would run together get a space, as `spaced` says."""
    whole = ""
    for text in texts:
        whole += spaced(whole, text)
    return whole


def merged(words: Sequence[Word], text: str) -> Word:
    """One word that reads `text` in the place of `words`, at least one; as sure as the least sure of them."""
    known = [word.confidence for word in words if word.confidence is not None]
    return Word(text, words[0].start, words[-1].end, min(known) if known else None)


def edited(words: Sequence[Word], edits: Iterable[Edit]) -> list[Word]:
    """`words` with `edits` of their text: in order, apart from each other, none of them empty.

    Words that an edit reaches into become one; it is gone when nothing but space is left of it.
    """
    ends = list(accumulate(len(word.text) for word in words))
    groups: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        first, last = bisect_right(ends, edit.start), bisect_left(ends, edit.stop)
        if groups and first <= groups[-1][1]:
            first, _, shared = groups.pop()
            groups.append((first, last, [*shared, edit]))
        else:
            groups.append((first, last, [edit]))
    done: list[Word] = []
    placed = 0
    for first, last, group in groups:
        touched = words[first : last + 1]
        text, begin = text_of(touched), ends[first] - len(words[first].text)
        for edit in reversed(group):
            text = text[: edit.start - begin] + edit.text + text[edit.stop - begin :]
        done += words[placed:first]
        if text.strip():
            done.append(merged(touched, text))
        placed = last + 1
    return [*done, *words[placed:]]


def whole_words(words: Sequence[Word], length: int) -> int:
    """How many of `words` lie within the first `length` characters of their text."""
    for count, word in enumerate(words):
        length -= len(word.text)
        if length < 0:
            return count
    return len(words)
