"""A list of replacements: spelling, product names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from wlkd import BadParameter, Filter, FilterOptions, TextFilter, Word
from wlkd.contract.text import Edit, edited, text_of
from wlkd_text.phrases import Phrases, key, removal

Table = Mapping[str, str]


class ReplaceOptions(FilterOptions):
    """What is written instead of what."""

    words: Table = Field(
        default={},
        description="Replacements in every language, like {teh: the, wifi: Wi-Fi}. A replacement in small letters "
        "takes the case of the word that it replaces (Teh: The); one with capitals is written as it is "
        "here; an empty one removes the word.",
    )
    by_language: Mapping[str, Table] = Field(
        default={},
        description="Replacements in one language only, by its ISO 639-1 code, like {de: {strasse: straße}}.",
    )


class Replace(Filter[ReplaceOptions]):
    """Writes words as the operator or the client wants them: spelling, product names."""

    def open(self, wish: str) -> TextFilter:
        """`wish`: further replacements, `teh:the,k8s:Kubernetes`; a word alone is left out."""
        wished: dict[str, str] = {}
        for pair in filter(None, map(str.strip, wish.split(","))):
            said, _, written = pair.partition(":")
            if not said.strip():
                raise BadParameter("replace", f"replace: {pair!r} does not say what to replace; write teh:the")
            wished[said] = written.strip()
        return Replacing(self.config.words, self.config.by_language, wished)


class Replacing(TextFilter):
    """See `Replace`. The client's `wished` come before the language's, and those before the ones for every language."""

    def __init__(self, words: Table, by_language: Mapping[str, Table], wished: Table) -> None:
        self._common = _List({**words, **wished})
        self._lists = {code: _List({**words, **table, **wished}) for code, table in by_language.items()}

    def rewrite(self, words: Sequence[Word], language: str | None) -> Sequence[Word]:
        return edited(words, self._list(language).edits(text_of(words)))

    def settled(self, words: Sequence[Word], language: str | None) -> int:
        return self._list(language).settled(words)

    def _list(self, language: str | None) -> _List:
        return self._lists.get(language or "", self._common)


class _List:
    def __init__(self, table: Table) -> None:
        self._written = {key(said): written for said, written in table.items()}
        self._phrases = Phrases(self._written)

    def edits(self, text: str) -> list[Edit]:
        edits: list[Edit] = []
        for match in self._phrases.find(text):
            start, end = match.span()
            written = in_case_of(text[start:end], self._written[key(match[0])])
            edits.append(Edit(start, end, written) if written else removal(text, match, edits))
        return edits

    def settled(self, words: Sequence[Word]) -> int:
        if all(self._written.values()):
            return self._phrases.settled(words)
        return self._phrases.settled_for_removal(words, lambda said: not self._written[said])


def in_case_of(said: str, written: str) -> str:
    """`written` in the case of `said`, unless it has capitals of its own."""
    if written != written.lower():
        return written
    if len(said) > 1 and said.isupper():
        return written.upper()
    return written[:1].upper() + written[1:] if said[:1].isupper() else written
