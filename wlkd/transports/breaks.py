"""Where a text may be parted, into rows and into subtitles, and where rather than elsewhere. No dictionary."""

from __future__ import annotations

import re
from unicodedata import category, east_asian_width, normalize

from wlkd.contract.text import ends_clause, ends_sentence

BEHIND_MARK = 0
INSIDE_CLAUSE = 6
INSIDE_WORD = 10
"""By how many columns a cut counts as farther from where the parts are of equal width: one behind a comma or a sentence
wins over a nearer one between words, and that over one which may lie inside a word. In Chinese nobody knows without a
dictionary."""
NEVER_FIRST = frozenset("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ〜～゠ะาำๅະາຳຽ")
"""In a row: small kana, and Thai and Lao vowels that belong to the letter before; beside closing marks, the sign of a
long vowel, and repetition marks."""
VOWELS_BEFORE = frozenset("เแโใไເແໂໃໄ")
"""With which Thai and Lao syllables begin."""
NEVER_LAST = VOWELS_BEFORE | set("\"'\u200d\u1039\u17d2")
"""In a row, before a character without a space: beside opening marks, quotes that may open, what joins emoji, and what
stacks Burmese and Khmer letters."""
MARK_BEHIND_SPACE = re.compile(r"\s*[?!:;»%。，、！？：；]+(?:\s|$)")
MARK_BEFORE_SPACE = re.compile(r"(?:^|\s)«\s*$")
"""As in French: « Vraiment ? »"""
INSIDE_NUMBER = re.compile(r"\d[^\w\s]$")
"""Of 3：30 or 3，5, with wide marks."""
HONORIFICS = frozenset("おご")
"""Hiragana with which Japanese words begin before other characters: お客様."""


def resistance(before: str, after: str, language: str | None) -> int | None:
    """By how many columns a cut between two texts counts as farther from where it should be; None: they belong
    together."""
    last, first = before.rstrip()[-1:], after.lstrip()[:1]
    if not (last and first):
        return None
    spaced = before[-1:].isspace() or after[:1].isspace()
    if spaced and (MARK_BEHIND_SPACE.match(after) or MARK_BEFORE_SPACE.search(before)):
        return None
    if not spaced and (not _may_part(last, first) or (INSIDE_NUMBER.search(before) and first.isdecimal())):
        return None
    if ends_sentence(before, language) or ends_clause(before):
        return BEHIND_MARK
    if last == "." or not (spaced or _is_word_end(last, first)):
        return INSIDE_CLAUSE + INSIDE_WORD
    return INSIDE_CLAUSE


def _may_part(last: str, first: str) -> bool:
    """Whether one row may end with the character `last`, and the next one begin with `first`, which follows it without
    a space: beside a character of a script without spaces, by the rules of its typesetting."""
    if category(first) in ("Pe", "Pf", "Po", "Lm", "Mn", "Mc", "Me", "Sk", "Cf") or first in NEVER_FIRST:
        return False
    if category(last) in ("Ps", "Pi", "Sc") or last in NEVER_LAST:
        return False
    return (is_unspaced(last) or is_unspaced(first)) and not (_is_latin(last) and _is_latin(first))


def _is_word_end(last: str, first: str) -> bool:
    """Whether a word, in Thai and Lao a syllable, ends between two characters for certain, as far as can be told
    without a dictionary."""
    if is_unspaced(last) and is_unspaced(first):
        # A Japanese word may end in hiragana, and seldom begins with them.
        is_japanese = _is_hiragana(last) and not _is_hiragana(first) and last not in HONORIFICS
        return is_japanese or first in VOWELS_BEFORE
    return not last.isdecimal()  # 3个, 2026年


def is_unspaced(mark: str) -> bool:
    """Whether it is of a script that is written without spaces, as wide ones are but for Korean, and those from Thai to
    Burmese, and Khmer."""
    narrow = "\u0e00" <= mark <= "\u109f" or "\u1780" <= mark <= "\u17ff"
    return narrow or (_is_wide(mark) and not "가" <= mark <= "힣")


def _is_latin(mark: str) -> bool:
    """A letter or a digit, full-width ones too."""
    plain = normalize("NFKC", mark)
    return plain.isascii() and plain.isalnum()


def _is_hiragana(mark: str) -> bool:
    return "ぁ" <= mark <= "ゟ"


def columns(text: str) -> int:
    """Width of the text on a terminal or a screen."""
    return sum(2 if _is_wide(mark) else 1 for mark in text)


def _is_wide(mark: str) -> bool:
    return bool(mark) and east_asian_width(mark) in "WF"
