"""Whisper's vocabulary: special tokens, text to tokens, and tokens back to whole words.

Tokens are pieces of bytes, so a character of Chinese may be spread over several of them; words are only ever built
from complete characters.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from wlkd.contract.text import begins_with_mark, begins_word

BETWEEN_WORDS = frozenset(",.;:!?-–—…")
"""Punctuation that may come before a word's space."""


def byte_alphabet() -> dict[str, int]:
    """The printable character that byte-level BPE (GPT-2) writes for each byte, reversed."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in printable)
    alphabet.update({chr(256 + n): byte for n, byte in enumerate(others)})
    return alphabet


class Vocabulary:
    """The tokens of one model."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Raises `KeyError` with the name of a special token that `tokenizer` lacks."""
        self._tokenizer = tokenizer
        self.eot = self._special("<|endoftext|>")
        self.sot = self._special("<|startoftranscript|>")
        self.sot_prev = self._special("<|startofprev|>")
        self.transcribe = self._special("<|transcribe|>")
        self.translate = self._special("<|translate|>")
        self.no_speech = self._special("<|nospeech|>", "<|nocaptions|>")
        self.no_timestamps = self._special("<|notimestamps|>")
        # Language tokens stand between <|startoftranscript|> and <|translate|>, in every version of the vocabulary.
        self.languages: dict[str, int] = {
            self._written(token)[2:-2]: token for token in range(self.sot + 1, self.translate)
        }
        alphabet = byte_alphabet()
        self._bytes = [bytes(alphabet[letter] for letter in self._written(token)) for token in range(self.eot)]
        self.marks = [token for token in range(self.eot) if begins_with_mark(self.text([token]))]
        """Tokens that begin with a mark, which belongs to the word before: ",", but "'s" and "-like" too."""
        self.inside = frozenset(token for token, raw in enumerate(self._bytes) if raw and raw[0] & 0xC0 == 0x80)
        """Tokens that begin inside a character: of Georgian or Burmese, two of three."""

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        return cls(Tokenizer.from_file(str(path)))

    def _special(self, *names: str) -> int:
        for name in names:
            token = self._tokenizer.token_to_id(name)
            if token is not None:
                return int(token)
        raise KeyError(names[0])

    def _written(self, token: int) -> str:
        text: str | None = self._tokenizer.id_to_token(token)
        if text is None:
            raise KeyError(token)
        return text

    @property
    def size(self) -> int:
        """Tokens without the timestamps, which come behind them and which the tokenizer file leaves out."""
        return self.no_timestamps + 1

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`; special tokens written out in it are plain text."""
        pieces: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in pieces if token < self.eot]

    def bytes_of(self, token: int) -> bytes:
        """What `token` stands for; nothing for special tokens."""
        return self._bytes[token] if token < self.eot else b""

    def same_letters(self, token: int, other: int) -> bool:
        """Whether two tokens differ by their capitals alone."""
        one, two = self.text([token]), self.text([other])
        return one != two and one.lower() == two.lower()

    def is_mark(self, token: int) -> bool:
        """Whether `token` is punctuation alone, which belongs to the word before."""
        return BETWEEN_WORDS.issuperset(self.text([token])) and token < self.eot

    def text(self, tokens: Iterable[int]) -> str:
        return b"".join(map(self.bytes_of, tokens)).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class WordPiece:
    """A word of a token sequence: tokens `first` up to, not including, `stop`."""

    text: str
    first: int
    stop: int


def split_words(tokens: Sequence[int], vocabulary: Vocabulary, language: str | None) -> list[WordPiece]:
    """Cut a hypothesis into words. Trailing tokens that end inside a character are left out."""
    words: list[WordPiece] = []
    for letter in _characters(tokens, vocabulary):
        if words and not begins_word(words[-1].text, letter.text, language):
            last = words[-1]
            words[-1] = WordPiece(last.text + letter.text, last.first, letter.stop)
        else:
            words.append(letter)
    return words


def _characters(tokens: Sequence[int], vocabulary: Vocabulary) -> Iterable[WordPiece]:
    """Shortest runs of tokens that end where a character ends."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    text, first = "", 0
    for index, token in enumerate(tokens):
        text += utf8.decode(vocabulary.bytes_of(token))
        if not utf8.getstate()[0]:
            if text:
                yield WordPiece(text, first, index + 1)
            text, first = "", index + 1
