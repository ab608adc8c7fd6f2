"""A session's transcript: the only writer of its lines."""

from __future__ import annotations

from dataclasses import replace

from wlkd.contract.types import SENTENCE_ENDS, Commit, Line, Word


class Transcript:
    """Grows by commits. Words never change once applied; only the last line can still grow.

    `line_pause`, `silence_line`: a gap between words, in samples, that starts a new line, or that is shown as a
    line of silence of its own. `max_line`: length in samples after which a line ends at the next sentence, and at
    twice of which it ends anywhere.
    """

    def __init__(self, *, line_pause: int, silence_line: int, max_line: int) -> None:
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

    def take_up(self, *, closed_lines: int, open_line: Line | None, end: int, words: int, language: str | None) -> None:
        """Go on with a transcript that was written elsewhere: so many `closed_lines`, so many `words`."""
        self.first_line, self.open_line, self.end = closed_lines, open_line, end
        self.words, self.language = words, language
        self._lines = None

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
        self.tentative = _spoken(commit.tentative)

    def take_fresh(self) -> tuple[Word, ...]:
        """The words committed since the last call."""
        fresh = tuple(self._fresh)
        self._fresh.clear()
        return fresh

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
        self._fresh.append(word)
        self._lines = None

    def _starts_line(self, word: Word) -> bool:
        line = self.open_line
        if line is None or line.language != self.language or line.words[-1].speaker != word.speaker:
            return True
        if word.start - line.end >= self._line_pause:
            return True
        sentence_ended = line.words[-1].text.endswith(SENTENCE_ENDS)
        length = line.end - line.start
        return (sentence_ended and length >= self._max_line) or length >= 2 * self._max_line

    def _close_line(self) -> None:
        if self.open_line is not None:
            self._closed.append(self.open_line)
            self.open_line = None


def _spoken(words: tuple[Word, ...]) -> tuple[Word, ...]:
    return tuple(word for word in words if word.text.strip())
