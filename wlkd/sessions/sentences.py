"""Where sentences end, in committed words: what a translator gets at once.

A sentence ends at its full stop, at a pause, where another person or another language begins, and after twelve seconds
at the latest, then at a comma if there is one in its second half. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.text import ends_clause, ends_sentence, text_of
from wlkd.contract.types import Word

LONGEST = 12 * SAMPLE_RATE
"""A listener waits no longer for what a speaker does not end."""
MOST_CHARACTERS = 600
"""Three times what people say in twelve seconds: bounds what a loop of a model makes of them."""
GAP = SAMPLE_RATE
"""Between two words it is a pause, whether or not anybody has said so."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Committed words that are translated together, for good."""

    words: tuple[Word, ...]
    """At least one."""
    language: str | None
    line: int
    """Number of the line in which it ends."""

    @property
    def text(self) -> str:
        return text_of(self.words).strip()

    @property
    def start(self) -> int:
        return self.words[0].start

    @property
    def end(self) -> int:
        return self.words[-1].end


class Sentences:
    """Those of one stream."""

    def __init__(self) -> None:
        self._open: list[tuple[Word, int]] = []
        """Words of the sentence that goes on, each with the number of its line."""
        self._language: str | None = None
        self._finished: list[Sentence] = []

    @property
    def open(self) -> tuple[Word, ...]:
        """Words of the sentence that goes on."""
        return tuple(word for word, _ in self._open)

    def add(self, word: Word, line: int, language: str | None) -> None:
        """`word` is committed in the line numbered `line`."""
        if self._open:
            last, _ = self._open[-1]
            if language != self._language or word.speaker != last.speaker or word.start - last.end >= GAP:
                self.end()
        self._language = language
        self._open.append((word, line))
        if ends_sentence(word.text, language):
            self.end()
        elif word.end - self._open[0][0].start >= LONGEST or len(text_of(self.open)) >= MOST_CHARACTERS:
            self._finish(self._clause())

    def end(self) -> None:
        """The speaker paused, or stopped: what there is is a sentence."""
        self._finish(len(self._open))

    def take(self) -> list[Sentence]:
        """The sentences that were finished since the last call."""
        taken, self._finished = self._finished, []
        return taken

    def _clause(self) -> int:
        """How many of the open words to take: up to the last comma of the second half, or all."""
        half = len(self._open) // 2
        places = (place for place in range(len(self._open), half, -1) if ends_clause(self._open[place - 1][0].text))
        return next(places, len(self._open))

    def _finish(self, count: int) -> None:
        """The first `count` of the open words are a sentence."""
        if count:
            words, self._open = self._open[:count], self._open[count:]
            self._finished.append(Sentence(tuple(word for word, _ in words), self._language, words[-1][1]))
