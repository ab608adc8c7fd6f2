"""How each family of models is told which language is which, and how its languages are called.

NLLB-200 (Costa-jussà et al. 2022) and M2M-100 (Fan et al. 2020) get the source's mark before the text, and the target's
as the first word of the answer. A model of OPUS-MT (Tiedemann and Thottingal 2020) knows one pair.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

NLLB_MARK = re.compile("[a-z]{3}_[A-Z][a-z]{3}")
"""Language (ISO 639-3) and script (ISO 15924), like `por_Latn`."""
M2M_MARK = re.compile("__([a-z]{2,3})__")
PAIR = re.compile("-([a-z]{2,3})-([a-z]{2,3})$")
"""The end of the name of an OPUS-MT model, like `opus-mt-en-de`."""

OTHERWISE: Mapping[str, str] = {"nob_Latn": "no", "pbt_Arab": "ps", "tgl_Latn": "tl"}
"""NLLB's languages that speech models know by another code than the one that the registry prefers."""
SPOKEN_AS: Mapping[str, str] = {"jv": "jw"}
"""Whisper's own code for a language, beside the right one."""


class Dialect(ABC):
    """One model's. Pieces are those of its SentencePiece model."""

    @abstractmethod
    def targets(self) -> Mapping[str, frozenset[str]]:
        """For each language that it translates into, those that it translates from."""

    @abstractmethod
    def question(self, pieces: Sequence[str], source: str) -> list[str]:
        """`pieces` of a text in the language `source`, with its marks."""

    def answer_begins(self, target: str) -> list[str]:
        """What the answer in the language `target` has to begin with."""
        return []


class Marked(Dialect):
    """A model that translates between all of its languages: `marks` by code."""

    def __init__(self, marks: Mapping[str, str]) -> None:
        self._marks = dict(marks)
        for code, spoken in SPOKEN_AS.items():
            if code in self._marks:
                self._marks[spoken] = self._marks[code]

    def targets(self) -> Mapping[str, frozenset[str]]:
        known = frozenset(self._marks)
        return {target: known - {target} for target in known - set(SPOKEN_AS.values())}

    def question(self, pieces: Sequence[str], source: str) -> list[str]:
        return [self._marks[source], *pieces]

    def answer_begins(self, target: str) -> list[str]:
        return [self._marks[target]]


class Pair(Dialect):
    """A model that translates from one language into one other."""

    def __init__(self, source: str, target: str) -> None:
        self._source, self._target = source, target

    def targets(self) -> Mapping[str, frozenset[str]]:
        return {self._target: frozenset({self._source})}

    def question(self, pieces: Sequence[str], source: str) -> list[str]:
        return list(pieces)


def nllb(vocabulary: Sequence[str]) -> Marked:
    """Of several scripts for one language the first in `vocabulary` counts, which is the usual one."""
    from langcodes import Language, standardize_tag

    marks: dict[str, str] = {}
    for mark in filter(NLLB_MARK.fullmatch, vocabulary):
        code = OTHERWISE.get(mark) or Language.get(standardize_tag(mark, macro=True)).language
        if code is not None:
            marks.setdefault(code, mark)
    return Marked(marks)


def m2m(vocabulary: Sequence[str]) -> Marked:
    """Its marks are codes of ISO 639-1 where there are any."""
    return Marked({found[1]: mark for mark in vocabulary if (found := M2M_MARK.fullmatch(mark))})


def pair_in(name: str) -> Pair | None:
    """The pair that the name of a folder ends in; None: it does not."""
    found = PAIR.search(name)
    return None if found is None else Pair(found[1], found[2])
