"""A session's transcript: the only writer of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wlkd.contract.text import ends_sentence, spaced
from wlkd.contract.types import Commit, Line, Translation, Word
from wlkd.sessions.sentences import Sentence, Sentences

MOST_KEPT_WORDS = 300
"""In lines that wait for translations when the stream goes on elsewhere: what a continuation has room for."""


class Transcript:
    """Grows by commits. Words never change once applied; only the last line can still get more. Translations come
    later, in order, to the lines in which their sentences end.

    `line_pause`, `silence_line`: a gap between words, in samples, that starts a new line, or that is shown as a
    line of silence of its own. `max_line`: length in samples after which a line ends at the next sentence, and at
    twice of which it ends anywhere.
    """

    def __init__(self, *, line_pause: int, silence_line: int, max_line: int, translated: bool = False) -> None:
        """`translated`: its sentences are told apart, and count as open until `translated` is called."""
        self._line_pause = line_pause
        self._silence_line = silence_line
        self._max_line = max_line
        self._closed: list[Line] = []
        self._lines: tuple[Line, ...] | None = ()
        self._fresh: list[Word] = []
        self.first_line = 0
        """Number of the first line in `lines`: those before it were written elsewhere."""
        self.open_line: Line | None = None
        """The last line, as long as it can grow."""
        self.end = 0
        """Sample index where the last word ended."""
        self.words = 0
        """Words committed since the stream began, here and elsewhere."""
        self.tentative: tuple[Word, ...] = ()
        self.language: str | None = None
        self._sentences = Sentences() if translated else None
        self._translated = 0
        """Words whose translations are here, or will never come."""

    def take_up(
        self,
        *,
        closed_lines: int,
        kept: Sequence[Line] = (),
        open_line: Line | None,
        end: int,
        words: int,
        untranslated: int = 0,
        language: str | None,
    ) -> None:
        """Go on with a transcript that was written elsewhere: so many `closed_lines`, those that it `kept`, and the
        open one, with so many `words`, the last of them `untranslated`."""
        self.first_line, self.open_line, self.end = closed_lines, open_line, end
        self._closed = list(kept)
        self.words, self.language = words, language
        self._translated = words - untranslated
        self._lines = None
        if self._sentences is not None and untranslated:
            spoken = [
                (word, number, line) for number, line in enumerate(self.lines, closed_lines) for word in line.words
            ]
            for word, number, line in spoken[-untranslated:]:
                self._sentences.add(word, number, line.language)

    @property
    def closed_lines(self) -> int:
        """How many lines cannot grow any more, those written elsewhere included."""
        return self.first_line + len(self._closed)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The whole transcript so far."""
        if self._lines is None:
            self._lines = (*self._closed, self.open_line) if self.open_line else tuple(self._closed)
        return self._lines

    def apply(self, commit: Commit) -> None:
        """Append `commit.words`, replace the tentative tail. Words of nothing but white space are none."""
        self.language = commit.language or self.language
        for word in _spoken(commit.words):
            self._append(word)
        if commit.segment_end:
            self.end_sentence()
        self.tentative = _spoken(commit.tentative)

    def take_fresh(self) -> tuple[Word, ...]:
        """The words committed since the last call."""
        fresh = tuple(self._fresh)
        self._fresh.clear()
        return fresh

    # Translations --------------------------------------------------------------------------------------------

    def take_sentences(self) -> list[Sentence]:
        """The sentences that were finished since the last call."""
        return [] if self._sentences is None else self._sentences.take()

    def end_sentence(self) -> None:
        """The speaker paused, or stopped."""
        if self._sentences is not None:
            self._sentences.end()

    @property
    def open_sentence(self) -> tuple[Word, ...]:
        """Committed words whose sentence goes on."""
        return () if self._sentences is None else self._sentences.open

    def translated(self, sentence: Sentence, text: str | None) -> None:
        """Attach the translation to the line where `sentence`, the next one in order, ends; None: there is none."""
        self._translated += len(sentence.words)
        if not text:
            return
        place = sentence.line - self.first_line
        line = self.lines[place]
        translation = Translation(sentence.start, sentence.end, spaced(line.translation, text))
        line = replace(line, translations=(*line.translations, translation))
        if place < len(self._closed):
            self._closed[place] = line
        else:
            self.open_line = line
        self._lines = None

    def awaiting(self) -> tuple[tuple[Line, ...], int]:
        """The last closed lines, from the first that waits for a translation, and how many of the last words wait.

        Of more lines than a continuation has room for, the first ones are left out, and stay as they are."""
        if self._sentences is None:
            return (), 0
        untranslated = self.words - self._translated
        left = untranslated - (len(self.open_line.words) if self.open_line else 0)
        kept: list[Line] = []
        room = MOST_KEPT_WORDS
        for line in reversed(self._closed):
            room -= len(line.words)
            if left <= 0 or room < 0:
                break
            kept.insert(0, line)
            left -= len(line.words)
        return tuple(kept), untranslated - max(left, 0)

    def tell_again(self, known: int) -> None:
        """The reader has only the first `known` words: the others count as fresh."""
        words = [word for line in self.lines for word in line.words]
        self._fresh = words[max(len(words) - (self.words - known), 0) :]

    def _append(self, word: Word) -> None:
        # Attention puts a word a frame before its predecessor's end now and then; time runs forward in a transcript.
        start = max(word.start, self.end)
        word = replace(word, start=start, end=max(word.end, start))
        if self._starts_line(word):
            self._close_line()
            if word.start - self.end >= self._silence_line:
                self._closed.append(Line(self.end, word.start))
        line = self.open_line or Line(word.start, word.start, language=self.language)
        self.open_line = replace(line, end=word.end, words=(*line.words, word))
        self.end = word.end
        self.words += 1
        if self._sentences is not None:
            self._sentences.add(word, self.closed_lines, self.language)
        self._fresh.append(word)
        self._lines = None

    def _starts_line(self, word: Word) -> bool:
        line = self.open_line
        if line is None or line.language != self.language or line.words[-1].speaker != word.speaker:
            return True
        if word.start - line.end >= self._line_pause:
            return True
        sentence_ended = ends_sentence(line.words[-1].text, line.language)
        length = line.end - line.start
        return (sentence_ended and length >= self._max_line) or length >= 2 * self._max_line

    def _close_line(self) -> None:
        if self.open_line is not None:
            self._closed.append(self.open_line)
            self.open_line = None


def _spoken(words: tuple[Word, ...]) -> tuple[Word, ...]:
    return tuple(word for word in words if word.text.strip())
