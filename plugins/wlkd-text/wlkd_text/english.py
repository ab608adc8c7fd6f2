"""What only English says in its own way: times of the day, prices and decades, known by the words around them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from wlkd_text.reading import ARTICLES, REPEATED, Number, Token, is_hyphen, zeros

CENTURIES = range(13, 22)
"""Nineteen ninety nine, twenty twenty four. Eleven fifteen and twelve thirty are times of the day."""
DECADES = (
    *("hundreds", "tens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies"),
    *("eighties", "nineties"),
)
"""Nineteen eighties, nineteen hundreds."""
COUNTED = re.compile(
    "dollars|bucks|euros|pounds|cents|percent|seconds|minutes|hours|days|weeks|months|years|people|times|miles|metres"
    "|meters|kilometres|kilometers|degrees"
)
"""Behind nineteen ninety-nine they say that it is no year: it may be a price, or from one to the other."""
AT = {"at", "until", "till"}
"""What may stand before a time of the day. By one fifty may be 150, and from two forty a price."""
DATED = {
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november"),
    *("december", "quarter", "q"),
}
"""A day, or the number of the quarter, and a year may follow: March twenty-one twenty twenty-five."""
JOINTS = {"to", "or", "and"}
"""Ten to twenty thousand, twenty or thirty thousand, between ten and twenty thousand."""
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


def decides(token: Token) -> bool:
    """Whether `token` may say what a number behind it is."""
    word = token.text().casefold()
    return word in AT or word in DATED or word in REPEATED


def is_year(group: Sequence[Number], digits: str) -> bool:
    return len(group) == 2 and group[0].value in CENTURIES and len(digits) == 4


def is_two_thousand(group: Sequence[Number], digits: str) -> bool:
    """Whether it is a year such as two thousand oh eight, whose `digits` one after the other are 200008."""
    return len(group) == 2 and group[0].text == "2000" and re.fullmatch("20000[1-9]", digits) is not None


def is_joint(tokens: Sequence[Token]) -> bool:
    """Whether what stands between two numbers makes a range of them, or a choice."""
    return len(tokens) == 1 and tokens[0].text().casefold() in JOINTS


def is_toll_free(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether a group begins as a telephone number such as one eight hundred five five five, which is no 805: hundreds
    with one more figure, and others behind it."""
    at = _area(group)
    if len(group) < at + 2 or group[at].value not in range(100, 1000):
        return False
    said = [token for token in tokens[group[at].first : group[at].stop] if token.text() != "-"]
    return len(said) == 3 and said[1].text().casefold() == "hundred" and group[at + 1].spelt


def toll_free(group: Sequence[Number], tokens: Sequence[Token]) -> str | None:
    """The digits of such a number; None: there are too few, or too many."""
    at = _area(group)
    area = group[at].text
    parts = [f"{area[0]}00{area[2]}"]
    for before, number in itertools.pairwise(group[at:]):
        parts.append("0" * zeros(tokens[before.stop : number.first]) + number.text)
    digits = "".join(parts)
    return f"{'1' * at}{digits}" if re.fullmatch("[0-9]{10}", digits) else None


def _area(group: Sequence[Number]) -> int:
    """Where the number of the area stands: behind a one, with which one dials it in America."""
    return 1 if len(group) > 1 and group[0].text == "1" else 0


def may_be_range(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether what looks like a year may be from one number to the other: twenty-thirty people; not nineteen-fifty."""
    first, second = group
    has_hyphen = second.first == first.stop + 1 and is_hyphen(tokens, first.stop)
    is_far = first.value in range(16, 20) and second.value >= 40
    return has_hyphen and not is_far and not is_behind_month(first, tokens)


def is_fraction(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether a group ends in parts of a whole: two hundredths, nineteen twentieths, one hundredth of it."""
    last = group[-1]
    if not last.ordinal:
        return False
    is_of = last.stop < len(tokens) and tokens[last.stop].text().casefold() == "of"
    return last.text.endswith("s") or (is_of and tokens[group[0].first].text().casefold() == "one")


def is_counted(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether what looks like a year is counted: fifteen twenty minutes, nineteen ninety-nine dollars."""
    behind = tokens[group[-1].stop].text().casefold() if group[-1].stop < len(tokens) else ""
    return is_year(group, "".join(number.text for number in group)) and COUNTED.fullmatch(behind) is not None


def is_repeated(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether figures of a group are said to come twice or more, as in double nine five five."""
    first = group[0].first
    is_behind = first > 0 and tokens[first - 1].text().casefold() in REPEATED
    return is_behind and group[0].spelt and len(group) > 1


def is_unclear(group: Sequence[Number], tokens: Sequence[Token], least: int) -> bool:
    """Whether a group such as nine eleven, seven-eleven or one twenty may be one number or several, by the words around
    it: nobody can say which, and a part of it in digits would help no reader."""
    for first, second in itertools.pairwise(group):
        has_hyphen = is_hyphen(tokens, first.stop)
        if has_hyphen and (
            min(first.value, second.value) < least or is_year([first, second], first.text + second.text)
        ):
            return True
        is_apart = _is_behind_at(first, tokens) or is_hyphen(tokens, second.stop)
        if first.value in range(1, 10) and second.value in range(10, 100) and not is_apart:
            # But two ten-year-olds are two, and so is what is no time behind at.
            return True
    return False


def is_day_and_year(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether a day is the first of a group, whose others may be a year."""
    day = group[0]
    return len(group) == 3 and is_behind_month(day, tokens) and day.value in range(1, 32) and not group[1].spelt


def is_behind_month(number: Number, tokens: Sequence[Token]) -> bool:
    return number.first > 0 and tokens[number.first - 1].text().casefold() in DATED


def clock(group: Sequence[Number], tokens: Sequence[Token]) -> str | None:
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


def is_price(group: Sequence[Number], tokens: Sequence[Token]) -> bool:
    """Whether a group such as one fifty is, by the words around it, 150 or 1.50 of something: nobody can say which."""
    if _two_figures(group, tokens) is None or group[0].value in CENTURIES:
        return False
    after = [token.text().casefold() for token in tokens[group[-1].stop : group[-1].stop + 2]]
    if after and (MONEY.fullmatch(after[0]) or (after[0] in ARTICLES["en"] and PRICED.fullmatch("".join(after[1:])))):
        return True
    at = group[0].first - 1
    return _is_behind_at(group[0], tokens) and trade(tokens, at) < at


def _two_figures(group: Sequence[Number], tokens: Sequence[Token]) -> str | None:
    """The second of two numbers in two figures, as minutes and cents are said; None: the group is something else."""
    if len(group) != 2 or any(number.ordinal for number in group):
        return None
    first, second = group
    figures = "0" * zeros(tokens[first.stop : second.first]) + second.text
    return figures if first.value < 100 and len(figures) == 2 and figures.isdigit() else None


def _is_behind_at(number: Number, tokens: Sequence[Token]) -> bool:
    return number.first > 0 and tokens[number.first - 1].text().casefold() in AT


def trade(tokens: Sequence[Token], stop: int) -> int:
    """Where a trade begins that ends before the token at `stop`: sold, bought them; or `stop`."""
    first = stop - (stop > 0 and tokens[stop - 1].text().casefold() in ("it", "them"))
    return first - 1 if first > 0 and TRADED.fullmatch(tokens[first - 1].text().casefold()) else stop


def decade(century: Number, tokens: Sequence[Token]) -> tuple[int, int, str] | None:
    """First token, the one behind the last, and the digits, if `century` and the word behind it are a decade."""
    at = century.stop
    at += at < len(tokens) and tokens[at].text() == "-"
    word = tokens[at].text().casefold() if at < len(tokens) else ""
    if century.ordinal or century.value not in CENTURIES or word not in DECADES:
        return None
    return century.first, at + 1, f"{century.text}{DECADES.index(word)}0s"
