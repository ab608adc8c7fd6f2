"""Which numbers a text holds, in the languages that text2num knows: its reading, with its faults put right."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from text_to_num import find_numbers

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
ARTICLES: Mapping[str, Collection[str]] = {"de": {"eine"}, "en": {"a", "an"}}
"""What stands for a one before a hundred or a million, and text2num does not read: a hundred and twenty."""
OH = {"oh", "o"}
REPEATED = {"double": 2, "triple": 3, "treble": 3}
"""How often the English figure behind it comes."""
SCALES = {100, 1000, 10**6, 10**9, 10**12}
PLURALS = {"it": {"milioni": 10**6, "miliardi": 10**9}}
"""Scales that text2num does not read alone."""
THOUSANDS_OF_MILLIONS = ("es", "pt")
"""Here cinco mil cuatro millones is one number; elsewhere it is 5000 and four million."""
UNITS_FIRST = ("de", "nl")
"""Thirty-six is six and thirty here."""
PLURALS_APART = {"tens", "hundreds", "thousands", "millions", "billions"}
"""English ones that text2num takes for the singular: tens of thousands, the nineteen hundreds."""
CIEN = "cien"
"""The Spanish hundred that nothing follows but thousands; with more behind it is ciento."""
LEAST_DOTTED = 3
"""Parts of what is no decimal but a version: 3.11.2."""


@dataclass(frozen=True)
class Token:
    """What text2num asks of a token."""

    word: str
    start: int
    stop: int
    separates: bool = False
    """Whether it is no part of a number."""

    def text(self) -> str:
        return self.word

    def nt_separated(self, previous: Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return self.separates


@dataclass(frozen=True)
class Number:
    """A number that was found: tokens `first` up to, not including, `stop`."""

    first: int
    stop: int
    text: str
    value: float
    ordinal: bool
    spelt: bool
    """Whether each token of it is one digit."""


class Reading:
    """See the module; of text in `language`."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._token = FRENCH_TOKEN if language == "fr" else TOKEN

    def tokens(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        for match in self._token.finditer(text):
            token = Token(match[0], *match.span())
            # A hundred and one is a number; seventy and one hundred are two, which text2num takes for 7100.
            is_apart = self.is_and(token) and not (tokens and self.is_scale(tokens[-1]))
            if self._language == "en" and (
                is_apart or self._is_of_time(token, tokens) or token.word.casefold() in PLURALS_APART
            ):
                token = replace(token, separates=True)
            tokens.append(token)
        return tokens

    def _is_of_time(self, token: Token, before: Sequence[Token]) -> bool:
        """Whether `token`, behind `before`, is that of a thirty second delay. A thirty-second time has a hyphen."""
        value = self.value(before[-1]) if before and token.word.casefold() == "second" else None
        return value is not None and value >= 20

    def groups(self, tokens: Sequence[Token]) -> Iterator[list[Number]]:
        """Numbers that follow each other with nothing between them but English ohs or a hyphen. An ordinal ends
        a group: in the twenty-first twenty twenty-five a year follows the day."""
        group: list[Number] = []
        for number in self._numbers(tokens):
            ends = bool(group) and group[-1].ordinal and group[-1].stop == number.first
            if group and (ends or not self._adjoin(tokens, group[-1], number)):
                yield group
                group = []
            group.append(number)
        if group:
            yield group

    def _numbers(self, tokens: Sequence[Token], at: int = 0) -> Iterator[Number]:
        while found := find_numbers(tokens[at:], self._language, 0.0):
            start, stop = at + found[0].start, at + found[0].end
            if apart := self._apart(tokens, start, stop):
                # As when they come one by one: what is before the and goes out when a number follows it.
                yield from self._numbers(tokens[:apart], start)
                at = apart
                continue
            if dotted := self._dotted(tokens, start):
                yield dotted
                at = dotted.stop
                continue
            if decimal := self._decimal(tokens, start, stop):
                yield decimal
                # What multiplies it stays a word: 1.2 million.
                at = decimal.stop + 1
                continue
            if version := self._version(tokens, start, stop):
                yield version
                at = version.stop
                continue
            at = self._parted(tokens, start, stop)
            for first, end in self._pieces(tokens, start, at):
                yield from self._read(tokens, first, end)

    def _read(self, tokens: Sequence[Token], start: int, stop: int) -> Iterator[Number]:
        # On its own: text2num counts a word that it then leaves to the next number, as in duecento e cento.
        for found in find_numbers(tokens[start:stop], self._language, 0.0):
            first, end = start + found.start, start + found.end
            spelt = all(self.value(token) in range(10) for token in tokens[first:end])
            if first > 0:
                has_article = self.is_article(tokens[first - 1]) and self.is_scale(tokens[first])
                first -= has_article or (self.is_point(tokens[first - 1]) and found.value >= 1000)
            yield Number(first, end, found.text, found.value, found.is_ordinal, spelt)

    def _decimal(self, tokens: Sequence[Token], start: int, stop: int) -> Number | None:
        """The number with a point that begins at `start` and is multiplied, as one point two million.

        text2num reads one and two million in it, and in French 1,2000000."""
        point = next((place for place in range(start, stop) if self.is_point(tokens[place])), stop)
        scale = next((place for place in range(point, len(tokens)) if self.is_scale(tokens[place])), stop + 1)
        if point == stop or scale > stop or not self.is_one(tokens[start:scale]):
            return None
        found = find_numbers(tokens[start:scale], self._language, 0.0)[0]
        return Number(start, scale, found.text, found.value, ordinal=False, spelt=False)

    def _version(self, tokens: Sequence[Token], start: int, stop: int) -> Number | None:
        """The number from `start` to `stop` with two figures behind its point that are said as one number, as in three
        point eleven. text2num reads those of English one by one only."""
        if self._language != "en" or stop >= len(tokens) or not self.is_point(tokens[stop]):
            return None
        whole = find_numbers(tokens[start:stop], self._language, 0.0)[0]
        end = next((place for place in range(stop + 1, len(tokens)) if self.is_point(tokens[place])), len(tokens))
        found = find_numbers(tokens[stop + 1 : end], self._language, 0.0)
        if whole.is_ordinal or whole.value not in range(100) or not found or found[0].start > 0:
            return None
        if found[0].is_ordinal or found[0].value not in range(10, 100):
            return None
        text = f"{whole.text}.{found[0].text}"
        return Number(start, stop + 1 + found[0].end, text, float(text), ordinal=False, spelt=False)

    def _dotted(self, tokens: Sequence[Token], start: int) -> Number | None:
        """The number with several points that begins at `start`, as a version or an address has: three point eleven
        point two. text2num reads only one point in a number."""
        if self._language != "en":
            return None
        parts: list[str] = []
        stop = at = start
        while part := self._part(tokens, at):
            stop, figures = part
            parts.append(figures)
            if stop == len(tokens) or not self.is_point(tokens[stop]):
                break
            at = stop + 1
        if len(parts) < LEAST_DOTTED:
            return None
        return Number(start, stop, ".".join(parts), float(".".join(parts[:2])), ordinal=False, spelt=False)

    def _part(self, tokens: Sequence[Token], start: int) -> tuple[int, str] | None:
        """Where a part of a dotted number ends that begins at `start`, and its figures: they are said as one number
        below a thousand, or one by one."""
        stop = start
        while stop < len(tokens) and (self.value(tokens[stop]) is not None or tokens[stop].text() in ("-", "and")):
            stop += 1
        end, figures = start, ""
        for found in find_numbers(tokens[start:stop], self._language, 0.0):
            is_spelt = all(self.value(token) in range(10) for token in tokens[start + found.start : start + found.end])
            if start + found.start != end or found.is_ordinal or found.value >= 1000 or (figures and not is_spelt):
                break
            end, figures = start + found.end, figures + found.text
            if not is_spelt:
                break
        return (end, figures) if figures else None

    def _parted(self, tokens: Sequence[Token], start: int, stop: int) -> int:
        """Where the number from `start` to `stop` ends.

        text2num reads a number as far as it can, and takes four hundred and four hundred for 404 and a hundred.
        """
        if stop < len(tokens) and self.is_scale(tokens[stop]):
            for place in range(stop - 1, start, -1):
                # Not within twenty-one hundred.
                if tokens[place - 1].text() != "-" and self.is_one(tokens[place : stop + 1]):
                    return place
        return stop

    def _apart(self, tokens: Sequence[Token], start: int, stop: int) -> int | None:
        """The place of an and, from `start` to `stop`, that joins two numbers to none."""
        for place in range(start + 1, stop):
            if self.is_point(tokens[place]):
                break
            if self.is_and(tokens[place]) and self._ends_before(tokens, start, place, stop):
                return place
        return None

    def _pieces(self, tokens: Sequence[Token], start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts from `start` to `stop` that are numbers; text2num makes one of some that follow each other."""
        for place in range(start + 1, stop):
            if self.is_point(tokens[place]):
                break
            if self._ends_before(tokens, start, place, stop):
                yield start, place
                start = place
        yield start, stop

    def _ends_before(self, tokens: Sequence[Token], start: int, place: int, stop: int) -> bool:
        """Whether a number is over before the token at `place`, though text2num reads on, to `stop`."""
        before, after = self.value(tokens[place - 1]), self.value(tokens[place])
        is_and = self.is_and(tokens[place])
        if before == 0:
            # Zero seven and zero five hundred are one, zero four thousand and zero and eighty are not.
            rest = find_numbers(tokens[place:stop], self._language, 0.0)
            value = rest[0].value if rest and rest[0].start == 0 else after
            return is_and or (value is not None and value >= 100 and value not in range(100, 1000, 100))
        if self._language == "es" and tokens[place - 1].text().casefold() == CIEN:
            return after is None or after < 1000
        if is_and and before is not None and place + 1 < stop:
            following = self.value(tokens[place + 1])
            if self._language == "fr" and 20 <= before < 100:
                # Vingt et un, soixante et onze; but not quatre-vingt-dix et deux.
                return following not in (1, 11)
            # Zeven en honderd: 7 and a hundred, not 700.
            return following in SCALES and before < following
        if before is None and place - 2 >= start and self.is_and(tokens[place - 1]):
            before = self.value(tokens[place - 2])
            return before is not None and before >= 1000 and self._multiplies_again(tokens[place:stop], before)
        if before is None or after is None:
            return False
        if self._language in UNITS_FIRST and before > 100 and 0 < before % 100 < 10 and 20 <= after < 100:
            # Dreihundertsechs dreißig: without und the six does not belong to the thirty.
            return True
        return before >= 1000 and self._multiplies_again(tokens[place:stop], before)

    def _multiplies_again(self, tokens: Sequence[Token], before: float) -> bool:
        """Whether `tokens`, which follow a thousand or more, are a number of their own by what is multiplied in them:
        four million, forty-eight hundred."""
        values = [self.value(token) for token in tokens]
        if values[0] in SCALES:
            # It multiplies the number before: diecimila milioni.
            return False
        place = next((place for place, value in enumerate(values) if value in SCALES), 0)
        multiplier = [value for value in values[:place] if value is not None]
        if values[place] == 100 and (len(multiplier) > 1 or any(value > 9 for value in multiplier)):
            return True
        larger = [value for value in values[1:] if value in SCALES and value > before]
        return bool(larger) and not (self._language in THOUSANDS_OF_MILLIONS and before < 10**6)

    def is_point(self, token: Token) -> bool:
        return token.text().casefold() in POINTS[self._language]

    def is_and(self, token: Token) -> bool:
        return token.text().casefold() == AND[self._language]

    def is_article(self, token: Token) -> bool:
        return token.text().casefold() in ARTICLES.get(self._language, ())

    def is_scale(self, token: Token) -> bool:
        return self.value(token) in SCALES

    def value(self, token: Token) -> float | None:
        """Of a token that is a number on its own."""
        return _value_of(token.text().casefold(), self._language)

    def multiplier(self, tokens: Sequence[Token], number: Number) -> float:
        """Of how many thousands, or another scale, `number` is; 0: it names none or does not say of how many."""
        for place in range(number.first + 1, number.stop):
            if self.is_scale(tokens[place]):
                found = find_numbers(tokens[number.first : place], self._language, 0.0)
                return float(found[0].value) if found else 0
        return 0

    def is_one(self, tokens: Sequence[Token]) -> bool:
        found = find_numbers(tokens, self._language, 0.0)
        return len(found) == 1 and (found[0].start, found[0].end) == (0, len(tokens))

    def _adjoin(self, tokens: Sequence[Token], before: Number, number: Number) -> bool:
        """Whether `number` and the one before it belong to one group."""
        between = tokens[before.stop : number.first]
        if not between or self._language != "en":
            return not between
        if len(between) == 1 and is_hyphen(tokens, before.stop):
            return True
        # Whisper writes nineteen oh-five.
        said = [place for place in range(before.stop, number.first) if tokens[place].text() != "-"]
        # Two zeros are said among figures only: five double oh two.
        may_be_two = before.spelt and number.spelt
        return all(_is_zero(tokens, place) for place in said) and (zeros(between) == 1 or (bool(said) and may_be_two))


@functools.lru_cache(maxsize=4096)
def _value_of(word: str, language: str) -> float | None:
    for found in find_numbers([Token(word, 0, len(word))], language, 0.0):
        return float(found.value)
    return PLURALS.get(language, {}).get(word)


def is_hyphen(tokens: Sequence[Token], place: int) -> bool:
    """Whether the token there joins those before and behind it to one word, as in seven-eleven."""
    if not 0 < place < len(tokens) - 1 or tokens[place].text() != "-":
        return False
    return tokens[place - 1].stop == tokens[place].start and tokens[place].stop == tokens[place + 1].start


def is_oh(token: Token) -> bool:
    return token.text().casefold() in OH


def _is_zero(tokens: Sequence[Token], place: int) -> bool:
    """Whether the token there is an English oh, or says that the oh behind it is said twice or more."""
    is_repeated = tokens[place].text().casefold() in REPEATED and place + 1 < len(tokens)
    return is_oh(tokens[place + is_repeated])


def zeros_before(tokens: Sequence[Token], stop: int) -> int:
    """Where the English ohs begin that end before the token at `stop`; or `stop`."""
    while stop > 0 and _is_zero(tokens, stop - 1):
        stop -= 1
    return stop


def zeros(tokens: Sequence[Token]) -> int:
    """How many zeros their English ohs are: double oh is two."""
    words = [token.text().casefold() for token in tokens]
    return sum(REPEATED.get(before, 1) for before, word in zip(["", *words], words, strict=False) if word in OH)
