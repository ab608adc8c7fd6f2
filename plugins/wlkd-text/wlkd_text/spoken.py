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
    separates: bool = False
    """Whether it is no part of a number."""

    def text(self) -> str:
        return self.match[0]

    def nt_separated(self, previous: _Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return self.separates


@dataclass(frozen=True)
class _Number:
    """A number that was found: tokens `first` up to, not including, `stop`."""

    first: int
    stop: int
    text: str
    value: float
    ordinal: bool
    spelt: bool
    """Whether each token of it is one digit."""


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
        tokens: list[_Token] = []
        for match in self._token.finditer(text):
            # A hundred and one is a number; seventy and one hundred are two, which text2num takes for 7100.
            is_and = self._language == "en" and match[0].casefold() == "and"
            tokens.append(_Token(match, is_and and not (tokens and self._is_scale(tokens[-1]))))
        return tokens

    def _groups(self, tokens: Sequence[_Token]) -> Iterator[list[_Number]]:
        """Numbers that follow each other with nothing between them but an English oh."""
        group: list[_Number] = []
        for number in self._numbers(tokens):
            if group and not self._adjoin(tokens[group[-1].stop : number.first]):
                yield group
                group = []
            group.append(number)
        if group:
            yield group

    def _numbers(self, tokens: Sequence[_Token]) -> Iterator[_Number]:
        spans = [(found.start, found.end) for found in find_numbers(tokens, self._language, 0.0)]
        for place, (start, stop) in enumerate(spans):
            if place + 1 < len(spans):
                stop, begin = self._parted(tokens, start, stop, spans[place + 1])
                spans[place + 1] = (begin, spans[place + 1][1])
            has_article = start > 0 and self._is_article(tokens[start - 1]) and self._is_scale(tokens[start])
            # On its own: text2num counts a word that it then leaves to the next number, as in duecento e cento.
            for found in find_numbers(tokens[start:stop], self._language, 0.0):
                first, end = start + found.start, start + found.end
                spelt = all(self._is_digit(token) for token in tokens[first:end])
                first -= has_article and first == start
                yield _Number(first, end, found.text, found.value, found.is_ordinal, spelt)

    def _parted(self, tokens: Sequence[_Token], start: int, stop: int, following: tuple[int, int]) -> tuple[int, int]:
        """Where the number from `start` to `stop` ends, and where the `following` one begins.

        text2num reads a number as far as it can, and takes four hundred and four hundred for 404 and a hundred.
        """
        begin, end = following
        if begin != stop or not self._is_scale(tokens[begin]):
            return stop, begin
        for place in range(stop - 1, start, -1):
            if self._is_one(tokens[place:end]):
                return place, place
        return stop, begin

    def _is_one(self, tokens: Sequence[_Token]) -> bool:
        found = find_numbers(tokens, self._language, 0.0)
        return len(found) == 1 and (found[0].start, found[0].end) == (0, len(tokens))

    def _is_digit(self, token: _Token) -> bool:
        found = find_numbers([token], self._language, 0.0)
        return bool(found) and found[0].text in set("0123456789")

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
    if all(number.spelt for number in group) and len(digits) >= FEWEST_DIGITS:
        return digits
    if len(group) == 2 and group[0].value in CENTURIES and len(digits) == 4:
        return digits
    return None
