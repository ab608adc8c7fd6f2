"""Numbers in figures, as an English speaker reads them out; num2words spells, this module decides what is read how.

What can be read in several ways stays as it is: 10-12, 3/4, 2024-03-05, A380.
"""

from __future__ import annotations

import re

from num2words import num2words

from wlkd.contract.text import Edit, ends_sentence

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,12})(?:\.[0-9]{1,12})?"
PATTERN = re.compile(
    r"(?<![\w.,:/$€£#@%+-])(?<![0-9]['’])(?:"
    rf"(?P<sign>[$€£])(?P<amount>{NUMBER})(?P<scale>\s(?:hundred|thousand|million|billion|trillion)\b)?"
    r"|(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?P<half>(?=\s?[ap]\.?m\b))?"
    r"|(?P<phone>[0-9]{3}-(?:[0-9]{3}-)?[0-9]{4})"
    r"|(?P<decade>(?:[0-9]{2})?[0-9]0)s"
    r"|(?P<ordinal>[0-9]{1,3}(?:,?[0-9]{3}){0,3})(?:st|nd|rd|th)"
    rf"|(?P<number>{NUMBER})(?P<percent>\s?%)?"
    r")(?![\w:/%$€£]|-[0-9]|[.,][0-9]|['’]\w)"
)
MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
YEARS = range(1100, 2100)
"""Numbers of four figures, without a comma, that are read as years."""
MOST_FIGURES = 6
"""What has more, and no commas, is a number of a telephone or an account, and read figure by figure."""
FIGURE = re.compile("[0-9]")


class Spelling:
    """See the module."""

    def edits(self, text: str) -> list[Edit]:
        edits = []
        for match in PATTERN.finditer(text):
            if spelt := _spelt(match):
                if _ends_sentence(text[: match.start()]):
                    spelt = spelt[0].upper() + spelt[1:]
                edits.append(Edit(match.start(), match.end(), spelt))
        return edits

    def settled(self, text: str) -> int:
        """A number waits for what follows it, and the end of a sentence for a number that would get a capital."""
        pieces = list(re.finditer(r"\S+", text))
        count = len(pieces)
        while count and (FIGURE.search(pieces[count - 1][0]) or _ends_sentence(pieces[count - 1][0])):
            count -= 1
        return len(text[: pieces[count].start()].rstrip()) if count < len(pieces) else len(text)


def _ends_sentence(text: str) -> bool:
    """Whether a number behind `text` begins a sentence, and so with a capital. Behind No. it does not: No. 5."""
    last = text.rsplit(maxsplit=1)[-1:]
    return last != ["No."] and any(ends_sentence(word, "en") for word in last)


def _spelt(match: re.Match[str]) -> str | None:
    """Words for what was found, or None: it stays as it is."""
    if match["sign"]:
        return _money(match["sign"], match["amount"], match["scale"] or "")
    if match["hour"]:
        return _time(int(match["hour"]), match["minute"], half=match["half"] is not None)
    if match["phone"]:
        return _figures(match["phone"])
    if match["decade"]:
        return _plural(_whole(match["decade"]))
    if match["ordinal"]:
        return _words(match["ordinal"], to="ordinal")
    return _number(match["number"], as_year=not match["percent"]) + (" percent" if match["percent"] else "")


def _number(digits: str, *, as_year: bool) -> str:
    whole, _, fraction = digits.partition(".")
    if fraction:
        return f"{_words(whole)} point {_figures(fraction)}"
    return _whole(whole) if as_year else _words(whole)


def _whole(digits: str) -> str:
    """A whole number, a year or figures."""
    if digits.isdigit() and len(digits) > 1:
        if digits[0] == "0" or (len(digits) > MOST_FIGURES and not digits.endswith("000")):
            return _figures(digits)
        if int(digits) in YEARS:
            # num2words joins what people write apart: oh-five.
            return _words(digits, to="year").replace("oh-", "oh ")
    return _words(digits)


def _money(sign: str, amount: str, scale: str) -> str | None:
    one, many, one_part, many_parts = MONEY[sign]
    if scale:
        return f"{_number(amount, as_year=False)}{scale} {many}"
    whole, _, parts = amount.partition(".")
    if parts and len(parts) != 2:
        return None
    said = f"{_words(whole)} {one if whole == '1' else many}"
    cents = f"{_words(parts)} {one_part if parts == '01' else many_parts}" if parts.strip("0") else ""
    return " and ".join(filter(None, [said if whole.strip("0") or not cents else "", cents]))


def _time(hour: int, minute: str, *, half: bool) -> str | None:
    """`half`: a.m. or p.m. follows."""
    said = _words(str(hour))
    if minute == "00":
        return said if half else f"{said} o'clock" if 1 <= hour <= 12 else None
    return f"{said} oh {_words(minute)}" if minute[0] == "0" else f"{said} {_words(minute)}"


def _plural(said: str) -> str:
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def _figures(digits: str) -> str:
    return " ".join(_words(digit) for digit in digits if digit != "-")


def _words(digits: str, to: str = "cardinal") -> str:
    said: str = num2words(int(digits.replace(",", "")), to=to)
    return said.replace(",", "")
