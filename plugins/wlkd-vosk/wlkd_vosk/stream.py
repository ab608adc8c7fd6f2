"""One stream: what is final, and what may still change.

Vosk searches on until an utterance ends, and its best path may change until then. A word is committed when the search
is sure of it, and of all words before it, and has gone on for half a second. It is never taken back: what Vosk says
later counts from behind it. The rest is committed where the utterance ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from wlkd import Commit, Frame, Recognizer, Word
from wlkd.contract.audio import samples
from wlkd.contract.clock import SpeechClock
from wlkd_vosk.words import words_in

HOLD_BACK = samples(0.5)
"""Newer words change too often, even probable ones."""


class Search(Protocol):
    """What we use of `vosk.KaldiRecognizer`."""

    def AcceptWaveform(self, data: bytes) -> int: ...

    def Result(self) -> str: ...

    def PartialResult(self) -> str: ...

    def FinalResult(self) -> str: ...


class VoskStream(Recognizer):
    """Its search begins with the first speech: it takes a third of a second and some megabytes."""

    def __init__(self, begin: Callable[[], Search], language: str, sure: float) -> None:
        self._begin = begin
        self._language = language
        self._sure = sure
        self._search: Search | None = None
        self._clock = SpeechClock()
        self._frames: list[Frame] = []
        self._ended_at: int | None = None
        self._committed_until = 0
        self._commit: Commit | None = None

    def accept(self, frame: Frame) -> None:
        self._frames.append(frame)

    def end_segment(self, at: int) -> None:
        self._ended_at = at

    def advance(self) -> None:
        """Hear what came; `take` gives what is said of it. Once more does nothing: another member of the batch may
        have failed, and this one's search cannot be turned back."""
        if self._commit is None:
            self._commit = self._step()

    def take(self) -> Commit:
        """What the step said."""
        commit, self._commit = self._commit, None
        assert commit is not None, "advance comes first"
        return commit

    def _step(self) -> Commit:
        words: list[Word] = []
        for frame in self._frames:
            words += self._hear(frame)
        self._frames.clear()
        if self._ended_at is not None:
            at, self._ended_at = self._ended_at, None
            if self._search is not None:
                words += self._new(self._search.FinalResult(), "result")
                self._clock.forget()
            self._committed_until = at
            return Commit(tuple(words), (), self._language, at, segment_end=True)
        tail = [] if self._search is None else self._new(self._search.PartialResult(), "partial_result")
        count = _settled(tail, self._sure)
        words += tail[:count]
        if count:
            self._committed_until = tail[count - 1].end
        return Commit(tuple(words), tuple(tail[count:]), self._language, self._committed_until)

    def _hear(self, frame: Frame) -> Sequence[Word]:
        """What ended with `frame`: Vosk closes an utterance at a short pause, or when it got long."""
        if self._search is None:
            self._search = self._begin()
        self._clock.give(frame)
        pcm = (np.clip(frame.samples, -1, 1) * 32767).astype("<i2").tobytes()
        if not self._search.AcceptWaveform(pcm):
            return ()
        words = self._new(self._search.Result(), "result")
        self._committed_until = max(words[-1].end if words else 0, self._committed_until)
        return words

    def _new(self, told: str, key: str) -> list[Word]:
        """Those behind what is committed, by their middle: a search that changed its mind moves borders a little."""
        said = words_in(told, key, self._clock, self._language)
        new = [word for word in said if word.start + word.end > 2 * self._committed_until]
        return [_behind(word, self._committed_until) for word in new]


def _behind(word: Word, at: int) -> Word:
    return word if word.start >= at else Word(word.text, at, word.end, word.confidence)


def _settled(words: Sequence[Word], sure: float) -> int:
    """How many of the first `words` will stay."""
    for count, word in enumerate(words):
        if (word.confidence or 0.0) < sure or words[-1].end - word.end < HOLD_BACK:
            return count
    return len(words)
