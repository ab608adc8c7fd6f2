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
        self._open: Line | None = None
        self._lines: tuple[Line, ...] | None = ()
        self._end = 0
        self._fresh: list[Word] = []
        self.tentative: tuple[Word, ...] = ()
        self.language: str | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The whole transcript so far."""
        if self._lines is None:
            self._lines = (*self._closed, self._open) if self._open else tuple(self._closed)
        return self._lines

    def apply(self, commit: Commit) -> None:
        """Append `commit.words`, replace the tentative tail."""
        self.language = commit.language or self.language
        for word in commit.words:
            self._append(word)
        self.tentative = commit.tentative

    def take_fresh(self) -> tuple[Word, ...]:
        """The words committed since the last call."""
        fresh = tuple(self._fresh)
        self._fresh.clear()
        return fresh

    def _append(self, word: Word) -> None:
        # Attention puts a word a frame before its predecessor's end now and then; time runs forward in a transcript.
        start = max(word.start, self._end)
        word = replace(word, start=start, end=max(word.end, start))
        if self._starts_line(word):
            self._close_line()
            if word.start - self._end >= self._silence_line:
                self._closed.append(Line(self._end, word.start))
        line = self._open or Line(word.start, word.start, language=self.language)
        self._open = replace(line, end=word.end, words=(*line.words, word))
        self._end = word.end
        self._fresh.append(word)
        self._lines = None

    def _starts_line(self, word: Word) -> bool:
        line = self._open
        if line is None or line.language != self.language or word.start - line.end >= self._line_pause:
            return True
        sentence_ended = line.words[-1].text.endswith(SENTENCE_ENDS)
        length = line.end - line.start
        return (sentence_ended and length >= self._max_line) or length >= 2 * self._max_line

    def _close_line(self) -> None:
        if self._open is not None:
            self._closed.append(self._open)
            self._open = None
