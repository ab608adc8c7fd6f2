"""One stream: sound in, words out, of which what is committed never changes.

A transducer that always takes the likeliest token only ever appends: its words are final as soon as the next one
begins. One that follows several paths, for hotwords, may change its mind about the end: there words are final a second
after they ended. What is committed is never taken back; words that come later count from behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wlkd import SAMPLE_RATE, Commit, Frame, Recognizer, Word
from wlkd.contract.audio import samples, silence
from wlkd.contract.clock import SpeechClock
from wlkd_sherpa.words import Token, words_of

TAIL = silence(samples(0.8))
"""Sound after the last: an encoder hears the end of a word by what follows it."""
HOLD_BACK = samples(1.0)
"""Where several paths are followed."""

Result = Callable[[Any, float], Sequence[Token]]
"""All tokens of a handle of sherpa-onnx, which has heard so many seconds."""


class SherpaStream(Recognizer):
    """A handle of sherpa-onnx for each stretch of speech; it is made on the inference thread."""

    def __init__(self, make_handle: Callable[[], Any], result: Result, language: str, *, appends: bool) -> None:
        """`appends`: tokens that were said stay."""
        self._make_handle = make_handle
        self._result = result
        self._language = language
        self._hold_back = 0 if appends else HOLD_BACK
        self._frames: list[Frame] = []
        self._ended_at: int | None = None
        self._end = 0
        self._begin_segment()

    def _begin_segment(self) -> None:
        self._handle: Any = None
        self._clock = SpeechClock()
        self._heard = 0
        self._has_tail = False
        self._committed = 0
        self._committed_until = self._end

    def accept(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._end = frame.end

    def end_segment(self, at: int) -> None:
        self._ended_at = at

    def hear(self) -> Any:
        """Give sherpa-onnx what came, once. Returns the handle, to be decoded; None: there was no speech."""
        frames, self._frames = self._frames, []
        for frame in frames:
            self._handle = self._handle or self._make_handle()
            self._clock.give(frame)
            self._heard += len(frame.samples)
            self._handle.accept_waveform(SAMPLE_RATE, frame.samples)
        if self._ended_at is not None and self._handle is not None and not self._has_tail:
            self._handle.accept_waveform(SAMPLE_RATE, TAIL)
            self._has_tail = True
        return self._handle

    def take(self) -> Commit:
        """What is said of everything that was decoded."""
        ended_at = self._ended_at
        words = self._new_words()
        if ended_at is not None:
            self._ended_at, self._end = None, ended_at
            self._begin_segment()
            return Commit(tuple(words), (), self._language, ended_at, segment_end=True)
        count = self._settled(words)
        if count:
            self._committed_until = words[count - 1].end
        return Commit(tuple(words[:count]), tuple(words[count:]), self._language, self._committed_until)

    def _new_words(self) -> list[Word]:
        """Those behind what is committed, by their middle."""
        if self._handle is None:
            return []
        said = words_of(self._result(self._handle, self._heard / SAMPLE_RATE), self._clock, self._language)
        if not self._hold_back:
            return said[self._committed :]
        return [word for word in said if word.start + word.end > 2 * self._committed_until]

    def _settled(self, words: Sequence[Word]) -> int:
        """How many of the first `words` will stay: never the last, which may go on."""
        settled = [word for word in words[:-1] if self._end - word.end >= self._hold_back]
        self._committed += len(settled)
        return len(settled)
