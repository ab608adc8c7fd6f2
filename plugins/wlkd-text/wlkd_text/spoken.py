"""Numbers in the languages that text2num knows, with what it leaves open: years, spelt digits, what stays a word."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from text_to_num import find_numbers

from wlkd.contract.text import Edit

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[^\w\s]")
FRENCH_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+|[^\w\s]")
"""With hyphens, or soixante quatre-vingt would be 64 and 20. In English they join more than numbers: two-year."""
CONNECTORS = {
    "de": {"und", "komma"},
    "en": {"and", "point", "oh", "o", "-"},
    "es": {"y", "coma", "punto"},
    "fr": {"et", "virgule", "-"},
    "it": {"e", "virgola"},
    "nl": {"en", "komma"},
    "pt": {"e", "vírgula"},
}
"""Behind a number they may join it to another."""
ARTICLES: Mapping[str, Collection[str]] = {"de": {"eine"}, "en": {"a", "an"}}
"""What stands for a one before a hundred or a million, and text2num does not read: a hundred and twenty."""
OH = {"oh", "o"}
SCALES = {100, 1000, 10**6, 10**9, 10**12}
FEWEST_DIGITS = 3
"""Digits said one by one are one number from three on: five five five is 555, one two may be anything."""
CENTURIES = range(11, 22)
"""Nineteen ninety nine, twenty twenty four."""


@dataclass(frozen=True)
class _Token:
    """What text2num asks of a token."""

    match: re.Match[str]

    def text(self) -> str:
        return self.match[0]

    def nt_separated(self, previous: _Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


@dataclass(frozen=True)
class _Number:
    """A number that was found: tokens `first` up to, not including, `stop`."""

    first: int
    stop: int
    text: str
    value: float
    ordinal: bool

    @property
    def is_spelt(self) -> bool:
        """Whether each token of it is one digit."""
        return self.text.isdigit() and len(self.text) == self.stop - self.first


class Numerals:
    """See the module; for text in `language`. Numbers below `least` that stand alone stay."""

    def __init__(self, language: str, least: int) -> None:
        self._language = language
        self._least = least
        self._token = FRENCH_TOKEN if language == "fr" else TOKEN

    def edits(self, text: str) -> list[Edit]:
        tokens = self._tokens(text)
        edits = []
        for group in self._groups(tokens):
            for first, stop, digits in self._written(group, tokens):
                edits.append(Edit(tokens[first].match.start(), tokens[stop - 1].match.end(), digits))
        return edits

    def settled(self, text: str) -> int:
        tokens = self._tokens(text)
        end = len(tokens)
        while end and tokens[end - 1].text().casefold() in CONNECTORS[self._language]:
            end -= 1
        groups = list(self._groups(tokens))
        if groups and groups[-1][-1].stop >= end:
            first = groups[-1][0].first
        elif tokens and self._is_article(tokens[-1]):
            first = len(tokens) - 1
        else:
            return len(text)
        return len(text[: tokens[first].match.start()].rstrip())

    def _tokens(self, text: str) -> list[_Token]:
        return [_Token(match) for match in self._token.finditer(text)]

    def _groups(self, tokens: Sequence[_Token]) -> Iterator[list[_Number]]:
        """Numbers that follow each other with nothing between them but an English oh."""
        group: list[_Number] = []
        for found in find_numbers(tokens, self._language, 0.0):
            first = found.start
            if first and self._is_article(tokens[first - 1]) and self._is_scale(tokens[first]):
                first -= 1
            number = _Number(first, found.end, found.text, found.value, found.is_ordinal)
            if group and not self._adjoin(tokens[group[-1].stop : found.start]):
                yield group
                group = []
            group.append(number)
        if group:
            yield group

    def _adjoin(self, between: Sequence[_Token]) -> bool:
        return not between or (self._language == "en" and len(between) == 1 and between[0].text().casefold() in OH)

    def _written(self, group: Sequence[_Number], tokens: Sequence[_Token]) -> Iterator[tuple[int, int, str]]:
        """First token, the one behind the last, and the digits, for what is written as digits."""
        together = _together(group)
        if together is not None:
            yield group[0].first, group[-1].stop, together
            return
        for number in group:
            if not self._stays(number, tokens):
                yield number.first, number.stop, number.text

    def _stays(self, number: _Number, tokens: Sequence[_Token]) -> bool:
        if self._is_only_scales(tokens[number.first : number.stop]):
            # A hundred, a million; 25 thousand, several hundred thousand.
            return True
        leading_zero = number.text.startswith("0") and len(number.text) > 1
        return number.value < self._least and number.value.is_integer() and not leading_zero

    def _is_only_scales(self, tokens: Sequence[_Token]) -> bool:
        """Whether `tokens`, which are a number, do not say of how many. One of several, like the French cent mille,
        does where no article is due."""
        if len(tokens) > 1 and self._language not in ARTICLES:
            return False
        return all(self._is_scale(token) or self._is_article(token) for token in tokens)

    def _is_article(self, token: _Token) -> bool:
        return token.text().casefold() in ARTICLES.get(self._language, ())

    def _is_scale(self, token: _Token) -> bool:
        return any(found.value in SCALES for found in find_numbers([token], self._language, 0.0))


def _together(group: Sequence[_Number]) -> str | None:
    """The digits of a group that is one number: said one by one, or a year; None: it is several."""
    parts = []
    for number, following in zip(group, [*group[1:], None], strict=True):
        # Each oh between them is a zero.
        parts.append(number.text + "0" * (following.first - number.stop if following else 0))
    digits = "".join(parts)
    if any(number.ordinal for number in group) or not digits.isdigit():
        return None
    if all(number.is_spelt for number in group) and len(digits) >= FEWEST_DIGITS:
        return digits
    if len(group) == 2 and group[0].value in CENTURIES and len(digits) == 4:
        return digits
    return None
