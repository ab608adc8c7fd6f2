"""Text to the units that are counted: normalised words, or characters where words are not separated."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal

from wlkd_bench.clips import Clip

Unit = Literal["word", "character"]
CHARACTER_LANGUAGES = frozenset({"zh", "yue", "ja", "ko"})


PIECE_WORDS = 32


def unit_of(language: str) -> Unit:
    return "character" if language in CHARACTER_LANGUAGES else "word"


@functools.cache
def _normalizer(language: str, fold: bool) -> Callable[[str], str]:
    """Whisper's own normalisers (Radford et al. 2022, appendix C): the English one, and the basic one."""
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str]
    normalize = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(remove_diacritics=fold)
    return normalize


def units(text: str, language: str, *, fold: bool = False) -> list[str]:
    """The words, or the characters without spaces, of the normalised text. `fold` drops diacritics first."""
    # Folding takes apart what Unicode can: without NFC a Korean syllable would stay two or three jamo.
    normal = unicodedata.normalize("NFC", _normalizer(language, fold)(text))
    return list("".join(normal.split())) if unit_of(language) == "character" else normal.split()


def units_piecewise(text: str, language: str, *, fold: bool = False) -> list[str]:
    """Like `units`, in pieces of `PIECE_WORDS` from the beginning, each normalised once however often it comes again.

    For the states of a text that grows. A number or a name that a piece's end parts may come out differently.
    """
    words = text.split()
    starts = range(0, len(words), PIECE_WORDS)
    pieces = (_piece(" ".join(words[start : start + PIECE_WORDS]), language, fold) for start in starts)
    return [unit for piece in pieces for unit in piece]


@functools.lru_cache(maxsize=4096)
def _piece(text: str, language: str, fold: bool) -> tuple[str, ...]:
    return tuple(units(text, language, fold=fold))


def unaccented(clips: Iterable[Clip]) -> frozenset[tuple[str, str]]:
    """(set, language) pairs whose references hold no diacritic at all: sources that were typed without them.

    There the diacritics of a hypothesis say nothing, and both sides are folded.
    """
    plain: dict[tuple[str, str], bool] = {}
    for clip in clips:
        if clip.is_speech and clip.language != "en":
            marked = any(unicodedata.combining(mark) for mark in unicodedata.normalize("NFD", clip.text))
            key = (clip.set, clip.language)
            plain[key] = plain.get(key, True) and not marked
    return frozenset(key for key, folds in plain.items() if folds)
