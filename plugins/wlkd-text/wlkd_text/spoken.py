"""Numbers in the languages that text2num knows, with what it leaves open: years, spelt digits, what stays a word."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from text_to_num import find_numbers

from wlkd.contract.text import Edit

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[^\w\s]")
FRENCH_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+|[^\w\s]")
"""With hyphens, or soixante quatre-vingt would be 64 and 20. In English they join more than numbers: two-year."""
AND = {"de": "und", "en": "and", "es": "y", "fr": "et", "it": "e", "nl": "en", "pt": "e"}
POINTS = {
    "de": {"komma"},
    "en": {"point"},
    "es": {"coma", "punto"},
    "fr": {"virgule"},
    "it": {"virgola"},
    "nl": {"komma"},
    "pt": {"vírgula"},
}
OTHERS = {"en": {"oh", "o", "-"}, "fr": {"-"}}
CONNECTORS = {code: {word, *POINTS[code], *OTHERS.get(code, ())} for code, word in AND.items()}
"""Behind a number they may join it to another."""
ARTICLES: Mapping[str, Collection[str]] = {"de": {"eine"}, "en": {"a", "an"}}
"""What stands for a one before a hundred or a million, and text2num does not read: a hundred and twenty."""
OH = {"oh", "o"}
SCALES = {100, 1000, 10**6, 10**9, 10**12}
PLURALS = {"it": {"milioni": 10**6, "miliardi": 10**9}}
"""Scales that text2num does not read alone."""
THOUSANDS_OF_MILLIONS = ("es", "pt")
"""Here cinco mil cuatro millones is one number; elsewhere it is 5000 and four million."""
UNITS_FIRST = ("de", "nl")
"""Thirty-six is six and thirty here."""
CIEN = "cien"
"""The Spanish hundred that nothing follows but thousands; with more behind it is ciento."""
FEWEST_DIGITS = 3
"""Digits said one by one are one number from three on: five five five is 555, one two may be anything."""
CENTURIES = range(13, 22)
"""Nineteen ninety nine, twenty twenty four. Eleven fifteen and twelve thirty are times of the day."""
DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
"""Nineteen eighties."""
AT = {"at", "until", "till"}
"""What may stand before a time of the day. By one fifty may be 150, and from two forty a price."""
TRADED = re.compile(
    "sells?|sold|selling|buy|buys|buying|bought|priced|trad(?:es?|ed|ing)|retail(?:s|ed|ing)?|valued|quoted"
)
"""Behind these and at comes a price: it sells at one fifty."""
CLOCK_ENDS = re.compile(
    "[.,;:?!]|i|you|he|she|it|we|they|the|this|that|these|those|my|your|his|her|our|their|in|on|for|with|from|to|by|as"
    "|about|after|before|since|sharp|and|but|so|because|if|when|while|which|who|where|then|though|is|are|was|were|will"
    "|would|can|could|should|has|have|had|does|did|not|just|again|okay|ok|right|please|here|there|now|next|last"
    "|at|until|till|today|tomorrow|tonight|yesterday|every|each|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)
"""What may follow one. A noun may not: at seven forty five year olds."""
MONEY = re.compile("dollars|bucks|euros|pounds|cents|per|apiece")
"""What follows a price: at one fifty dollars, which may be 150 or 1.50."""
PRICED = re.compile(
    "share|piece|unit|pound|kilo|ton|gallon|litre|liter|barrel|bottle|box|head|person|pop|hour|day|night|month|year"
)
"""One of them costs it: at one fifty a share."""


@dataclass(frozen=True)
class _Token:
    """What text2num asks of a token."""

    word: str
    start: int
    stop: int
    separates: bool = False
    """Whether it is no part of a number."""

    def text(self) -> str:
        return self.word

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
                edits.append(Edit(tokens[first].start, tokens[stop - 1].stop, digits))
        return edits

    def settled(self, text: str) -> int:
        tokens = self._tokens(text)
        end = len(tokens)
        while end and tokens[end - 1].text().casefold() in CONNECTORS[self._language]:
            end -= 1
        waits = bool(end) and (self._is_article(tokens[end - 1]) or self._is_at(tokens[end - 1]))
        end -= waits
        groups = list(self._groups(tokens))
        first = self._trade(tokens, end)
        waits |= first < end
        while groups and groups[-1][-1].stop >= first - self._may_rejoin(groups[-1][-1], tokens, first):
            waits = True
            # What is directly before it waits too, for it is read by what follows: at three ten, point two, a share.
            first = min(first, groups.pop()[0].first)
            first -= first > 0 and self._leads(tokens[first - 1])
            first = self._trade(tokens, first)
        if not waits:
            if not (tokens and self._is_point(tokens[-1])):
                return len(text)
            first = len(tokens) - 1
        return len(text[: tokens[first].start].rstrip())

    def _tokens(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        for match in self._token.finditer(text):
            token = _Token(match[0], *match.span())
            # A hundred and one is a number; seventy and one hundred are two, which text2num takes for 7100.
            is_apart = self._is_and(token) and not (tokens and self._is_scale(tokens[-1]))
            if self._language == "en" and (is_apart or self._is_of_time(token, tokens)):
                token = replace(token, separates=True)
            tokens.append(token)
        return tokens

    def _is_of_time(self, token: _Token, before: Sequence[_Token]) -> bool:
        """Whether `token`, behind `before`, is that of a thirty second delay. A thirty-second time has a hyphen."""
        value = self._value(before[-1]) if before and token.word.casefold() == "second" else None
        return value is not None and value >= 20

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

    def _numbers(self, tokens: Sequence[_Token], at: int = 0) -> Iterator[_Number]:
        while found := find_numbers(tokens[at:], self._language, 0.0):
            start, stop = at + found[0].start, at + found[0].end
            if apart := self._apart(tokens, start, stop):
                # As when they come one by one: what is before the and goes out when a number follows it.
                yield from self._numbers(tokens[:apart], start)
                at = apart
                continue
            if decimal := self._decimal(tokens, start, stop):
                yield decimal
                # What multiplies it stays a word: 1.2 million.
                at = decimal.stop + 1
                continue
            at = self._parted(tokens, start, stop)
            for first, end in self._pieces(tokens, start, at):
                yield from self._read(tokens, first, end)

    def _read(self, tokens: Sequence[_Token], start: int, stop: int) -> Iterator[_Number]:
        # On its own: text2num counts a word that it then leaves to the next number, as in duecento e cento.
        for found in find_numbers(tokens[start:stop], self._language, 0.0):
            first, end = start + found.start, start + found.end
            spelt = all(self._value(token) in range(10) for token in tokens[first:end])
            if first > 0:
                has_article = self._is_article(tokens[first - 1]) and self._is_scale(tokens[first])
                first -= has_article or (self._is_point(tokens[first - 1]) and found.value >= 1000)
            yield _Number(first, end, found.text, found.value, found.is_ordinal, spelt)

    def _decimal(self, tokens: Sequence[_Token], start: int, stop: int) -> _Number | None:
        """The number with a point that begins at `start` and is multiplied, as one point two million.

        text2num reads one and two million in it, and in French 1,2000000."""
        point = next((place for place in range(start, stop) if self._is_point(tokens[place])), stop)
        scale = next((place for place in range(point, len(tokens)) if self._is_scale(tokens[place])), stop + 1)
        if point == stop or scale > stop or not self._is_one(tokens[start:scale]):
            return None
        found = find_numbers(tokens[start:scale], self._language, 0.0)[0]
        return _Number(start, scale, found.text, found.value, ordinal=False, spelt=False)

    def _parted(self, tokens: Sequence[_Token], start: int, stop: int) -> int:
        """Where the number from `start` to `stop` ends.

        text2num reads a number as far as it can, and takes four hundred and four hundred for 404 and a hundred.
        """
        if stop < len(tokens) and self._is_scale(tokens[stop]):
            for place in range(stop - 1, start, -1):
                # Not within twenty-one hundred.
                if tokens[place - 1].text() != "-" and self._is_one(tokens[place : stop + 1]):
                    return place
        return stop

    def _apart(self, tokens: Sequence[_Token], start: int, stop: int) -> int | None:
        """The place of an and, from `start` to `stop`, that joins two numbers to none."""
        for place in range(start + 1, stop):
            if self._is_point(tokens[place]):
                break
            if self._is_and(tokens[place]) and self._ends_before(tokens, start, place, stop):
                return place
        return None

    def _pieces(self, tokens: Sequence[_Token], start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts from `start` to `stop` that are numbers; text2num makes one of some that follow each other."""
        for place in range(start + 1, stop):
            if self._is_point(tokens[place]):
                break
            if self._ends_before(tokens, start, place, stop):
                yield start, place
                start = place
        yield start, stop

    def _ends_before(self, tokens: Sequence[_Token], start: int, place: int, stop: int) -> bool:
        """Whether a number is over before the token at `place`, though text2num reads on, to `stop`."""
        before, after = self._value(tokens[place - 1]), self._value(tokens[place])
        is_and = self._is_and(tokens[place])
        if before == 0:
            # Zero seven and zero five hundred are one, zero four thousand and zero and eighty are not.
            rest = find_numbers(tokens[place:stop], self._language, 0.0)
            value = rest[0].value if rest and rest[0].start == 0 else after
            return is_and or (value is not None and value >= 100 and value not in range(100, 1000, 100))
        if self._language == "es" and tokens[place - 1].text().casefold() == CIEN:
            return after is None or after < 1000
        if is_and and before is not None and place + 1 < stop:
            following = self._value(tokens[place + 1])
            if self._language == "fr" and 20 <= before < 100:
                # Vingt et un, soixante et onze; but not quatre-vingt-dix et deux.
                return following not in (1, 11)
            # Zeven en honderd: 7 and a hundred, not 700.
            return following in SCALES and before < following
        if before is None and place - 2 >= start and self._is_and(tokens[place - 1]):
            before = self._value(tokens[place - 2])
            return before is not None and before >= 1000 and self._multiplies_again(tokens[place:stop], before)
        if before is None or after is None:
            return False
        if self._language in UNITS_FIRST and before > 100 and 0 < before % 100 < 10 and 20 <= after < 100:
            # Dreihundertsechs dreißig: without und the six does not belong to the thirty.
            return True
        return before >= 1000 and self._multiplies_again(tokens[place:stop], before)

    def _multiplies_again(self, tokens: Sequence[_Token], before: float) -> bool:
        """Whether `tokens`, which follow a thousand or more, are a number of their own by what is multiplied in them:
        four million, forty-eight hundred."""
        values = [self._value(token) for token in tokens]
        if values[0] in SCALES:
            # It multiplies the number before: diecimila milioni.
            return False
        place = next((place for place, value in enumerate(values) if value in SCALES), 0)
        multiplier = [value for value in values[:place] if value is not None]
        if values[place] == 100 and (len(multiplier) > 1 or any(value > 9 for value in multiplier)):
            return True
        larger = [value for value in values[1:] if value in SCALES and value > before]
        return bool(larger) and not (self._language in THOUSANDS_OF_MILLIONS and before < 10**6)

    def _is_point(self, token: _Token) -> bool:
        return token.text().casefold() in POINTS[self._language]

    def _is_at(self, token: _Token) -> bool:
        return self._language == "en" and token.text().casefold() in AT

    def _leads(self, token: _Token) -> bool:
        return self._is_point(token) or self._is_at(token) or self._is_article(token)

    def _may_rejoin(self, number: _Number, tokens: Sequence[_Token], first: int) -> bool:
        """Whether what comes decides if an and before the token at `first` joins `number` to what follows: five
        thousand and four is one number, five thousand and four million are two."""
        return number.value >= 1000 and first > 0 and self._is_and(tokens[first - 1])

    def _trade(self, tokens: Sequence[_Token], stop: int) -> int:
        """Where the words before the token at `stop` begin that say a price follows, as sold it; or `stop`."""
        return _trade(tokens, stop) if self._language == "en" else stop

    def _is_and(self, token: _Token) -> bool:
        return token.text().casefold() == AND[self._language]

    def _value(self, token: _Token) -> float | None:
        """Of a token that is a number on its own."""
        return _value_of(token.text().casefold(), self._language)

    def _is_one(self, tokens: Sequence[_Token]) -> bool:
        found = find_numbers(tokens, self._language, 0.0)
        return len(found) == 1 and (found[0].start, found[0].end) == (0, len(tokens))

    def _adjoin(self, between: Sequence[_Token]) -> bool:
        is_oh = _ohs(between) == 1 and all(_is_oh(token) or token.text() == "-" for token in between)
        # Whisper writes nineteen oh-five.
        return not between or (self._language == "en" and is_oh)

    def _written(self, group: Sequence[_Number], tokens: Sequence[_Token]) -> Iterator[tuple[int, int, str]]:
        """First token, the one behind the last, and the digits, for what is written as digits."""
        if self._language == "en" and _is_price(group, tokens):
            return
        if self._language == "en" and (time := _clock(group, tokens)):
            yield group[0].first, group[-1].stop, time
            return
        together = _together(group, tokens)
        if together is not None:
            yield group[0].first, group[-1].stop, together
            return
        decade = _decade(group[-1], tokens) if self._language == "en" else None
        for place, number in enumerate(group[:-1] if decade else group):
            begin = group[place - 1].stop if place else number.first
            if begin < number.first and number.spelt:
                # Eleven oh five: 11 05, a time or a year.
                yield begin, number.stop, f"0{number.text}"
            elif not self._stays(number, tokens):
                yield number.first, number.stop, number.text
        if decade:
            yield decade

    def _stays(self, number: _Number, tokens: Sequence[_Token]) -> bool:
        if self._is_only_scales(tokens[number.first : number.stop]):
            # A hundred, a million; 25 thousand, several hundred thousand.
            return True
        if self._is_point(tokens[number.first]):
            # Point five million is half a million.
            return True
        following = tokens[number.stop : number.stop + 2]
        is_before_point = len(following) == 2 and self._is_point(following[0])
        if not number.value.is_integer() and is_before_point and self._value(following[1]) is not None:
            # Three point two point one is a version, and no 3.2.
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
        return self._value(token) in SCALES


@functools.lru_cache(maxsize=4096)
def _value_of(word: str, language: str) -> float | None:
    for found in find_numbers([_Token(word, 0, len(word))], language, 0.0):
        return float(found.value)
    return PLURALS.get(language, {}).get(word)


def _together(group: Sequence[_Number], tokens: Sequence[_Token]) -> str | None:
    """The digits of a group that is one number: said one by one, or a year; None: it is several."""
    parts = []
    for number, following in zip(group, [*group[1:], None], strict=True):
        # Each oh between them is a zero.
        parts.append(number.text + "0" * (_ohs(tokens[number.stop : following.first]) if following else 0))
    digits = "".join(parts)
    if any(number.ordinal for number in group) or not digits.isdigit():
        return None
    if all(number.spelt for number in group) and len(digits) >= FEWEST_DIGITS:
        return digits
    if len(group) == 2 and group[0].value in CENTURIES and len(digits) == 4:
        return digits
    return None


def _clock(group: Sequence[_Number], tokens: Sequence[_Token]) -> str | None:
    """The time of the day that a group is, by the words around it; None: it is none."""
    minutes = _two_figures(group, tokens)
    hour, behind = group[0], group[-1].stop
    if minutes is None or hour.value not in range(1, 13) or int(minutes) >= 60:
        return None
    after = [token.text().casefold() for token in tokens[behind : behind + 3]]
    is_half_day = "".join(after[:1]) in ("am", "pm") or "".join(after) in ("a.m", "p.m")
    # A price was ruled out before: at three thirty a man came.
    ends = not after or CLOCK_ENDS.fullmatch(after[0]) or (after[0] in ARTICLES["en"] and "".join(after[1:2]).isalpha())
    if not is_half_day and not (_is_behind_at(hour, tokens) and ends):
        return None
    return f"{int(hour.value)}:{minutes}"


def _is_price(group: Sequence[_Number], tokens: Sequence[_Token]) -> bool:
    """Whether a group such as one fifty is, by the words around it, 150 or 1.50 of something: nobody can say which."""
    if _two_figures(group, tokens) is None or group[0].value in CENTURIES:
        return False
    after = [token.text().casefold() for token in tokens[group[-1].stop : group[-1].stop + 2]]
    if after and (MONEY.fullmatch(after[0]) or (after[0] in ARTICLES["en"] and PRICED.fullmatch("".join(after[1:])))):
        return True
    at = group[0].first - 1
    return _is_behind_at(group[0], tokens) and _trade(tokens, at) < at


def _two_figures(group: Sequence[_Number], tokens: Sequence[_Token]) -> str | None:
    """The second of two numbers in two figures, as minutes and cents are said; None: the group is something else."""
    if len(group) != 2 or any(number.ordinal for number in group):
        return None
    first, second = group
    figures = "0" * _ohs(tokens[first.stop : second.first]) + second.text
    return figures if first.value < 100 and len(figures) == 2 and figures.isdigit() else None


def _is_behind_at(number: _Number, tokens: Sequence[_Token]) -> bool:
    return number.first > 0 and tokens[number.first - 1].text().casefold() in AT


def _trade(tokens: Sequence[_Token], stop: int) -> int:
    """Where a trade begins that ends before the token at `stop`: sold, bought them; or `stop`."""
    first = stop - (stop > 0 and tokens[stop - 1].text().casefold() in ("it", "them"))
    return first - 1 if first > 0 and TRADED.fullmatch(tokens[first - 1].text().casefold()) else stop


def _is_oh(token: _Token) -> bool:
    return token.text().casefold() in OH


def _ohs(tokens: Sequence[_Token]) -> int:
    return sum(map(_is_oh, tokens))


def _decade(century: _Number, tokens: Sequence[_Token]) -> tuple[int, int, str] | None:
    """First token, the one behind the last, and the digits, if `century` and the word behind it are a decade."""
    at = century.stop
    at += at < len(tokens) and tokens[at].text() == "-"
    word = tokens[at].text().casefold() if at < len(tokens) else ""
    if century.ordinal or century.value not in CENTURIES or word not in DECADES:
        return None
    return century.first, at + 1, f"{century.text}{DECADES.index(word) + 2}0s"
