"""Finding the phrases of a list in a text that is still growing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from wlkd import Word
from wlkd.contract.text import Edit, text_of, whole_words
from wlkd.contract.types import SENTENCE_ENDS

UNSPACED = "㐀-鿿ぁ-ゟァ-ヿｦ-ﾟ\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
"""Chinese, kana, Thai, Lao, Tibetan, Burmese, Khmer: no edges between words."""
JOINING = "\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
"""Signs above, below and behind letters, which Python counts as no letters, and the letters of India."""
LETTER = rf"(?:[^\W{UNSPACED}]|[{JOINING}])"
SIGN = (
    "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
    "\u0f71-\u0f84\u0f8d-\u0fbc\u102b-\u103e\u17b4-\u17d3]"
)
"""Of a script without edges; it belongs to the letter before."""
EDGE = f"(?!(?<={LETTER}){LETTER}|{SIGN})"
"""Not between two letters of a word. Once for a whole list: compiling it takes 7 ms on the thread that serves all
clients."""
INSIDE = re.compile(f"{LETTER}{{2}}|.{SIGN}", re.DOTALL)
COMMAS = (",", "，", "、")
ByLanguage = Mapping[str, Sequence[str]]


class Phrases:
    """A list of phrases. Case does not matter, nor how words are spaced; a phrase is found as whole words only."""

    def __init__(self, phrases: Iterable[str]) -> None:
        plain = set(map(key, phrases)) - {""}
        longest_first = sorted(plain, key=lambda phrase: (-len(phrase), phrase))
        any_of_them = "|".join(map(_body, longest_first))
        self._pattern = re.compile(f"{EDGE}(?:{any_of_them}){EDGE}") if plain else None
        self._beginnings = {
            phrase[:end].rstrip() for phrase in plain for end in range(1, len(phrase)) if _parts(phrase, end)
        }
        self._longest = max(map(len, plain), default=0)

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Where they are, apart from each other; of two that begin in one place, the longer one. The matches are of
        the text in small letters."""
        return self._pattern.finditer(_small(text)) if self._pattern else iter(())

    def settled(self, words: Sequence[Word]) -> int:
        """How many of the first `words` cannot become a part of a phrase by what follows."""
        text = key(text_of(words))
        for start in range(max(len(text) - self._longest, 0), len(text)):
            if text[start:] in self._beginnings and not (start and _inside(text[start - 1], text[start])):
                # It may lie in a phrase that is complete, whose other words wait with it.
                begun = (match.start() for match in self.find(text) if match.end() > start)
                return _all_but(words, len(text) - min([start, *begun]))
        return len(words)

    def settled_for_removal(self, words: Sequence[Word], removed: Callable[[str], bool]) -> int:
        """As `settled`, where `removal` may take a comma at their end. `removed`: whether a phrase, by its `key`, is
        left out."""
        count = self.settled(words)
        text = text_of(words[:count])
        if not text.endswith(COMMAS):
            return count
        start = len(text) - len(words[count - 1].text)
        for match in self.find(text):
            if match.end() == len(text) - 1:
                if removed(key(match[0])):
                    return count
                start = match.start()
        return whole_words(words, start)


def removal(text: str, match: re.Match[str], edits: Sequence[Edit]) -> Edit:
    """The edit, behind those there are, that leaves out what was found: with the space before it and the comma behind
    it. A comma before it gives way to the end of the sentence behind it."""
    start, end = match.span()
    floor = edits[-1].stop if edits else 0
    start -= start > floor and text[start - 1] == " "
    if text[end:].startswith(COMMAS):
        return Edit(start, end + 1, "")
    start -= start > floor and text[start - 1] in COMMAS and text[end:].startswith(SENTENCE_ENDS)
    return Edit(start, end, "")


def key(phrase: str) -> str:
    """What all spellings of `phrase` have in common that count as one."""
    return " ".join(_small(phrase).split())


def _small(text: str) -> str:
    """`text` in small letters, each in the place where it was. `str.casefold` writes two for ß and İ."""
    return "".join(folded if len(folded := letter.casefold()) == 1 else letter.lower()[0] for letter in text)


def _all_but(words: Sequence[Word], letters: int) -> int:
    """How many of `words` stand before the last `letters` characters; doubled and outer spaces do not count."""
    for count in range(len(words), -1, -1):
        if len(" ".join(text_of(words[count:]).split())) >= letters:
            return count
    return 0


def _body(phrase: str) -> str:
    return r"\s+".join(map(re.escape, phrase.split()))


def _inside(before: str, letter: str) -> bool:
    """Whether both belong to one word."""
    return INSIDE.fullmatch(before + letter) is not None


def _parts(phrase: str, end: int) -> bool:
    """Whether a word may end before character `end` of `phrase`, with more to come."""
    return not _inside(phrase[end - 1], phrase[end]) and bool(phrase[:end].strip())
