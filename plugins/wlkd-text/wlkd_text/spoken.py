"""Numbers in the languages that text2num knows, with what it leaves open: years, spelt digits, what stays a word."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from wlkd.contract.text import Edit
from wlkd_text import english
from wlkd_text.reading import AND, ARTICLES, POINTS, Number, Reading, Token, is_oh, zeros, zeros_before

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
OTHERS = {"en": {"oh", "o", "-"}, "fr": {"-"}}
CONNECTORS = {code: {word, *POINTS[code], *OTHERS.get(code, ())} for code, word in AND.items()}
"""Behind a number they may join it to another."""
FEWEST_DIGITS = 3
"""Digits said one by one are one number from three on: five five five is 555, one two may be anything."""
FEWEST_BEHIND_OH = 9
"""Of a telephone number that begins with an oh. Before fewer digits an oh may be an exclamation."""


class Numerals:
    """See the module; for text in `language`. Numbers below `least` that stand alone stay."""

    def __init__(self, language: str, least: int) -> None:
        self._language = language
        self._least = least
        self._reading = Reading(language)

    def edits(self, text: str) -> list[Edit]:
        tokens = self._reading.tokens(text)
        edits = []
        groups = list(self._reading.groups(tokens))
        unclear = [pair for pair in itertools.pairwise(groups) if self._is_unclear_range(*pair, tokens)]
        for group in groups:
            if any(group in pair for pair in unclear):
                continue
            for first, stop, digits in self._written(group, tokens):
                edits.append(Edit(tokens[first].start, tokens[stop - 1].stop, digits))
        return edits

    def settled(self, text: str) -> int:
        tokens = self._reading.tokens(text)
        end = len(tokens)
        while end and (tokens[end - 1].text().casefold() in CONNECTORS[self._language] or self._joins(tokens, end - 1)):
            end -= 1
        waits = bool(end) and (self._reading.is_article(tokens[end - 1]) or self._decides(tokens[end - 1]))
        end -= waits
        waits |= self._language == "en" and bool(tokens) and is_oh(tokens[-1])
        groups = list(self._reading.groups(tokens))
        first = self._trade(tokens, end)
        waits |= first < end
        first = self._zeros_before(tokens, first)
        while groups and groups[-1][-1].stop >= first - self._may_rejoin(groups[-1][-1], tokens, first):
            waits = True
            # What is directly before it waits too, for it is read by what follows: at three ten, point two, a share.
            first = self._zeros_before(tokens, min(first, groups.pop()[0].first))
            first -= first > 0 and self._leads(tokens[first - 1])
            first -= self._joins(tokens, first - 1)
            first = self._trade(tokens, first)
        if not waits:
            if not (tokens and self._reading.is_point(tokens[-1])):
                return len(text)
            first = len(tokens) - 1
        return len(text[: tokens[first].start].rstrip())

    def _is_unclear_range(self, low: Sequence[Number], high: Sequence[Number], tokens: Sequence[Token]) -> bool:
        """Whether nobody can say where a range begins: ten to twenty thousand, at 10 or 10000."""
        is_range = len(low) == 1 and english.is_joint(tokens[low[0].stop : high[0].first])
        return self._language == "en" and is_range and low[0].value < self._reading.multiplier(tokens, high[0])

    def _joins(self, tokens: Sequence[Token], place: int) -> bool:
        """Whether a range or a choice may have begun with the token there and the number before it."""
        is_joint = self._language == "en" and place > 0 and english.is_joint(tokens[place : place + 1])
        return is_joint and self._reading.value(tokens[place - 1]) is not None

    def _decides(self, token: Token) -> bool:
        return self._language == "en" and english.decides(token)

    def _leads(self, token: Token) -> bool:
        return self._reading.is_point(token) or self._decides(token) or self._reading.is_article(token)

    def _may_rejoin(self, number: Number, tokens: Sequence[Token], first: int) -> bool:
        """Whether what comes decides if an and before the token at `first` joins `number` to what follows: five
        thousand and four is one number, five thousand and four million are two."""
        return number.value >= 1000 and first > 0 and self._reading.is_and(tokens[first - 1])

    def _trade(self, tokens: Sequence[Token], stop: int) -> int:
        """Where the words before the token at `stop` begin that say a price follows, as sold it; or `stop`."""
        return english.trade(tokens, stop) if self._language == "en" else stop

    def _zeros_before(self, tokens: Sequence[Token], stop: int) -> int:
        return zeros_before(tokens, stop) if self._language == "en" else stop

    def _written(self, group: Sequence[Number], tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
        """First token, the one behind the last, and the digits, for what is written as digits."""
        if self._language == "en" and (
            english.is_price(group, tokens) or english.is_fraction(group, tokens) or english.is_counted(group, tokens)
        ):
            return
        if self._language == "en" and (time := english.clock(group, tokens)):
            yield group[0].first, group[-1].stop, time
            return
        if self._language == "en" and english.is_day_and_year(group, tokens) and _together(group[1:], tokens):
            yield from self._written(group[:1], tokens)
            yield from self._written(group[1:], tokens)
            return
        if self._language == "en" and english.is_repeated(group, tokens):
            return
        if self._language == "en" and english.is_toll_free(group, tokens):
            if telephone := english.toll_free(group, tokens):
                yield group[0].first, group[-1].stop, telephone
            return
        together = _together(group, tokens)
        if together is not None:
            first = group[0].first
            if len(together) >= FEWEST_BEHIND_OH:
                first = self._zeros_before(tokens, first)
            yield first, group[-1].stop, "0" * zeros(tokens[first : group[0].first]) + together
            return
        decade = english.decade(group[-1], tokens) if self._language == "en" else None
        if self._language == "en" and not decade and english.is_unclear(group, tokens, self._least):
            return
        for place, number in enumerate(group[:-1] if decade else group):
            begin = group[place - 1].stop if place else number.first
            if begin < number.first and number.spelt:
                # Eleven oh five: 11 05, a time or a year.
                yield begin, number.stop, f"{'0' * zeros(tokens[begin : number.first])}{number.text}"
            elif not self._stays(number, tokens):
                yield number.first, number.stop, number.text
        if decade:
            yield decade

    def _stays(self, number: Number, tokens: Sequence[Token]) -> bool:
        if self._is_only_scales(tokens[number.first : number.stop]):
            # A hundred, a million; 25 thousand, several hundred thousand.
            return True
        if self._reading.is_point(tokens[number.first]):
            # Point five million is half a million.
            return True
        following = tokens[number.stop : number.stop + 2]
        is_before_point = len(following) == 2 and self._reading.is_point(following[0])
        if not number.value.is_integer() and is_before_point and self._reading.value(following[1]) is not None:
            # Three point two point second is no 3.2.
            return True
        leading_zero = number.text.startswith("0") and len(number.text) > 1
        has_point = any(map(self._reading.is_point, tokens[number.first : number.stop]))
        return number.value < self._least and not has_point and not leading_zero

    def _is_only_scales(self, tokens: Sequence[Token]) -> bool:
        """Whether `tokens`, which are a number, do not say of how many. One of several, like the French cent mille,
        does where no article is due."""
        if len(tokens) > 1 and self._language not in ARTICLES:
            return False
        return all(self._reading.is_scale(token) or self._reading.is_article(token) for token in tokens)


def _together(group: Sequence[Number], tokens: Sequence[Token]) -> str | None:
    """The digits of a group that is one number: said one by one, or a year; None: it is several."""
    parts = []
    for number, following in zip(group, [*group[1:], None], strict=True):
        # Each oh between them is a zero.
        parts.append(number.text + "0" * (zeros(tokens[number.stop : following.first]) if following else 0))
    digits = "".join(parts)
    if english.is_two_thousand(group, digits):
        return f"20{digits[4:]}"
    if any(number.ordinal for number in group) or not digits.isdigit():
        return None
    if all(number.spelt for number in group) and len(digits) >= FEWEST_DIGITS:
        return digits
    return digits if english.is_year(group, digits) and not english.may_be_range(group, tokens) else None
