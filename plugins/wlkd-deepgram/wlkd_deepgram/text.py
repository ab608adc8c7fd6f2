"""What a client wants done with the text: the API's parameters as wishes of a session, and terms found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multidict import MultiMapping

from wlkd import Word
from wlkd.contract.audio import seconds
from wlkd.contract.text import text_of
from wlkd.transports.queries import flag

FILTERS = {"numerals": ("numbers", True), "profanity_filter": ("profanity", True), "filler_words": ("fillers", False)}
"""The filter behind each parameter, and the value that switches it on: `filler_words=true` keeps them."""
PUNCTUATION = '.,;:?!…。，、；：？！"“”«»()¿¡'


def text_wishes(query: MultiMapping[str]) -> dict[str, str]:
    """For `Sessions.open` and `Session.change`. Raises `BadParameter`."""
    wishes = filter_wishes({parameter: flag(query, parameter) for parameter in FILTERS if parameter in query})
    if pairs := [pair.replace(",", " ") for pair in query.getall("replace", []) if pair]:
        wishes["replace"] = ",".join(pairs)
    return wishes


def filter_wishes(values: Mapping[str, bool]) -> dict[str, str]:
    """What the values of parameters in `FILTERS` mean, as wishes of a session."""
    switches = [
        name if values[parameter] is on else f"-{name}"
        for parameter, (name, on) in FILTERS.items()
        if parameter in values
    ]
    wishes = {"filters": ",".join(switches)} if switches else {}
    # The filter can write words too, and may by the configuration; the API's numerals are digits.
    return wishes | {"numbers": "digits"} if "numbers" in switches else wishes


def found(terms: Sequence[str], words: Sequence[Word]) -> dict[str, Any]:
    """The member `search` of a channel; nothing where no terms are looked for."""
    if not terms:
        return {}
    said = [_bare(word.text) for word in words]
    # An address has room for hundreds of terms, and a recording may have a hundred thousand words.
    places: dict[str, list[int]] = {}
    for place, word in enumerate(said):
        places.setdefault(word, []).append(place)

    def hits(term: str) -> list[dict[str, Any]]:
        wanted = [_bare(part) for part in term.split()]
        begins = places.get(wanted[0], []) if wanted else []
        spans = (slice(at, at + len(wanted)) for at in begins)
        return [_hit(words[span]) for span in spans if said[span] == wanted]

    return {"search": [{"query": term, "hits": hits(term)} for term in terms]}


def _bare(text: str) -> str:
    return text.strip().strip(PUNCTUATION).casefold()


def _hit(words: Sequence[Word]) -> dict[str, Any]:
    known = [word.confidence for word in words if word.confidence is not None]
    return {
        "confidence": round(sum(known) / len(known), 4) if known else 0.0,
        "start": round(seconds(words[0].start), 3),
        "end": round(seconds(words[-1].end), 3),
        "snippet": text_of(words).strip(),
    }
