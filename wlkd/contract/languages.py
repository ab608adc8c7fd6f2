"""The one reader of what people and programs write for a language: `en`, `en-US`, `zh_CN`, `EN`, `Chinese`, `nb`, `iw`.

Codes, their aliases and names are those of the library `langcodes` (IANA's registry and CLDR).
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

from wlkd.contract.errors import BadParameter

SAME_LANGUAGE = 4
"""The largest distance, as CLDR measures it, of two codes for one language: Bokmål is Norwegian (1), Luxembourgish is
not German (8)."""
WRITTEN_AS = {"yue": "zh"}
"""Spoken languages that a model which does not know them is asked to write as another one."""
SHORTEST_NAME, LONGEST_NAME = 4, 60
"""Letters. What is shorter is a code, what is longer neither."""
MOST_LISTED = 8
"""Codes in a message; Whisper knows a hundred."""


@dataclass(frozen=True, slots=True)
class LanguageTag:
    """A language and what its writer said about it."""

    language: str
    """Code of ISO 639, the shortest there is; the name of the language where a backend was asked for it."""
    script: str | None = None
    """Code of ISO 15924, such as `Hant`: as given, or as it is written in the given region."""
    region: str | None = None
    """Code of ISO 3166, such as `TW`."""


@functools.lru_cache(maxsize=1024)
def read_language(text: str) -> LanguageTag:
    """What `text` means. Raises `BadParameter`."""
    from langcodes import Language, find
    from langcodes.tag_parser import LanguageTagError

    try:
        if len(text) > LONGEST_NAME:
            raise LanguageTagError(text)
        found = Language.get(text)
        if not Language.make(language=found.language).is_valid():
            raise LanguageTagError(text)
    except LanguageTagError:
        try:
            if not SHORTEST_NAME <= len(text) <= LONGEST_NAME:
                raise LookupError(text)
            found = find(text)
        except LookupError:
            shown = text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"
            raise BadParameter("language", f"language {shown!r} is not known") from None
    finally:
        # langcodes keeps a kilobyte for each text that it was ever given, and clients choose what those are.
        Language._INSTANCES.clear()
        Language._PARSE_CACHE.clear()
    script = found.script or (found.maximize().script if found.territory else None)
    return LanguageTag(found.language or "und", script, found.territory)


def known_language(text: str, known: Collection[str]) -> LanguageTag:
    """What `text` means, with the code that is in `known` for it. Raises `BadParameter` where there is none."""
    tag = read_language(text)
    code = _among(tag.language, frozenset(known))
    if code is None:
        listed = f"; known: {', '.join(sorted(known))}" if len(known) <= MOST_LISTED else ""
        raise BadParameter("language", f"language {text!r}: {english_name(tag.language)} is not known here{listed}")
    return LanguageTag(code, tag.script, tag.region)


@functools.lru_cache(maxsize=1024)
def english_name(code: str) -> str:
    """`english` for `en`, in the lower case that OpenAI's API uses."""
    from langcodes import Language

    return Language.get(code).display_name("en").lower()


@functools.lru_cache(maxsize=1024)
def _among(language: str, known: frozenset[str]) -> str | None:
    from langcodes import tag_distance

    if language in known:
        return language
    distances = {code: tag_distance(language, code) for code in known}
    nearest = min(distances, key=lambda code: (distances[code], code), default=None)
    if nearest is not None and distances[nearest] <= SAME_LANGUAGE:
        return nearest
    instead = WRITTEN_AS.get(language)
    return instead if instead in known else None
