"""Updates as turns: what is said in each, and how likely it is that its speaker has ended.

The states are those of Deepgram's Flux: a turn starts with its first word; it may end eagerly, and resume; it ends.
Both ends have all words of the turn, so they wait until the words before the pause are committed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from wlkd import Update, Word
from wlkd.contract.audio import seconds
from wlkd.contract.text import text_of
from wlkd.transports.turns import UNSURE_SECONDS, has_all_words
from wlkd_deepgram.flux.query import DEFAULT_EOT, Thresholds
from wlkd_deepgram.messages import Message, confidence, in_seconds

SILENCE_SECONDS = 0.8
"""Silence that ends a turn by the default threshold where no turn detector judges it."""
MAX_WORDS = 1_000
"""A turn of so many words ends: each message repeats them all."""


@dataclass(frozen=True, slots=True)
class Onset:
    """Speech that went on after a pause, before all words up to the pause had come."""

    start: int
    """Sample index."""
    silence: float | None
    """Seconds of it before; None: the pause was in no update of its own."""
    turn_over: float | None
    """How likely the pause was the end of a turn."""


class Turns:
    """The turns of one stream, as messages without the members that all messages have.

    Times are of the monotonic clock, in seconds: silence brings no updates, and what it has to trigger comes by
    `on_time`.
    """

    def __init__(self, thresholds: Thresholds, *, multilingual: bool = False) -> None:
        """`multilingual`: messages name the language."""
        self.thresholds = thresholds
        self.judged = False
        """A turn detector says how likely a pause ends the turn."""
        self._multilingual = multilingual
        self._index = 0
        self._open = self._eager = False
        """Whether `StartOfTurn` was sent; and `EagerEndOfTurn`, with nothing heard since."""
        self._words: list[Word] = []
        """Committed ones of the turn."""
        self._tail: tuple[Word, ...] = ()
        self._told = ""
        """The turn's words, as its last message had them."""
        self._begins = 0
        """Sample index where the turn's speech began."""
        self._speech_start: int | None = None
        self._paused_at: int | None = None
        """Sample index where speech paused; None: somebody speaks."""
        self._silent_since = 0.0
        """When that was."""
        self._turn_over: float | None = None
        self._complete = False
        """All words before the pause are committed."""
        self._onsets: deque[Onset] = deque()
        """Those that no word has reached."""
        self._forced: int | None = None
        """The flush that `ForceEndTurn` asked for, by its number."""
        self._language: str | None = None
        self._received = 0

    def on_update(self, update: Update, now: float) -> list[Message]:
        """What `update` adds."""
        self._received, self._language = update.received, update.language
        messages: list[Message] = []
        if update.speech_start is not None and update.speech_start != self._speech_start:
            messages += self._on_speech(update.speech_start)
        before = len(self._onsets)
        for word in update.committed:
            while self._onsets and word.start >= self._onsets[0].start:
                messages += self._reach(self._onsets.popleft())
            self._words.append(word)
        if update.segment_end and len(self._onsets) == before > 0:
            # One stretch at least has all its words. Where a word has reached an onset, that was the stretch before it.
            messages += self._reach(self._onsets.popleft())
        while self._onsets and has_all_words(update):
            messages += self._reach(self._onsets.popleft())
        self._tail = (*update.waiting, *update.tentative)
        self._look_for_pause(update, now)
        messages += self._news(now)
        if update.final or (self._forced is not None and update.flushes >= self._forced):
            self._forced = None
            messages += self._end("manual", self._confidence(now))
        if len(self._words) >= MAX_WORDS:
            messages += self._end("length", self._confidence(now))
        return messages

    def on_time(self, now: float) -> list[Message]:
        """What the silence since the last update adds."""
        if not self._may_end:
            return []
        sure, eager = self._confidence(now), self.thresholds.eager_eot_threshold
        trigger = self._trigger(self._silence(now), self._turn_over)
        # A turn that began with words which the model took back may still get some; nobody has to answer it.
        if trigger == "timeout" or (trigger and self._words):
            return self._end(trigger, sure)
        if eager is not None and sure >= eager and self._words and not self._eager:
            self._eager = True
            return [self._info("EagerEndOfTurn", sure)]
        return []

    def wait_seconds(self, now: float) -> float | None:
        """When `on_time` has something to say; None: only after another update."""
        if not self._may_end:
            return None
        wanted = self.thresholds
        waits = [wanted.eot_timeout_ms / 1000]
        if self._words:
            waits += [self._silence_for(wanted.eot_threshold)] if wanted.eot_threshold < 1 else []
            if wanted.eager_eot_threshold is not None and not self._eager:
                waits.append(self._silence_for(wanted.eager_eot_threshold))
        return max(min(waits) - self._silence(now), 0.0)

    def force(self, flush: int) -> None:
        """`ForceEndTurn` was received: the turn ends with the words that the session's flush of that number brings."""
        self._forced = flush

    def rest(self) -> list[Message]:
        """The session has failed: the turn's words so far."""
        return self._end("error", 0.0)

    @property
    def _may_end(self) -> bool:
        return self._open and self._paused_at is not None and self._complete

    def _on_speech(self, start: int) -> list[Message]:
        """Speech begins at sample index `start`, perhaps in the middle of a turn."""
        messages: list[Message] = []
        if self._speech_start is not None:
            silence = None if self._paused_at is None else seconds(start - self._paused_at)
            onset = Onset(start, silence, self._turn_over)
            if self._complete:
                messages = self._reach(onset)
            else:
                self._onsets.append(onset)
        if self._eager:
            self._eager = False
            messages.append(self._info("TurnResumed", 0.0))
        if not self._open:
            self._begins = start
        self._speech_start, self._paused_at, self._turn_over, self._complete = start, None, None, False
        return messages

    def _look_for_pause(self, update: Update, now: float) -> None:
        if update.speech_end is None:
            return
        if self._paused_at is None:
            self._paused_at = update.speech_end
            self._silent_since = now - seconds(update.received - update.speech_end)
        self._complete |= has_all_words(update)
        self._turn_over = update.turn_over

    def _news(self, now: float) -> list[Message]:
        """Words that have come."""
        text = self._text
        if not text or text == self._told:
            return []
        messages = []
        if self._eager:
            # An end has the words that were announced; other words need a turn that goes on.
            self._eager = False
            messages.append(self._info("TurnResumed", self._confidence(now)))
        sure = self._confidence(now)
        return [*messages, self._info("Update", sure) if self._open else self._start(sure)]

    def _reach(self, onset: Onset) -> list[Message]:
        """All words before `onset` have come."""
        messages: list[Message] = []
        if self._words:
            silence = seconds(onset.start - self._words[-1].end) if onset.silence is None else onset.silence
            if trigger := self._trigger(silence, onset.turn_over):
                self._tail = ()
                messages = [] if self._open else [self._start(0.0)]
                messages += self._end(trigger, self._confidence_after(silence, onset.turn_over))
        if not self._open and not self._words:
            self._begins = onset.start
        return messages

    def _start(self, sure: float) -> Message:
        self._open = True
        # Speech may have paused and gone on before the turn's first word came.
        self._begins = min(self._begins, (*self._words, *self._tail)[0].start)
        return self._info("StartOfTurn", sure)

    def _end(self, trigger: str, sure: float) -> list[Message]:
        if not self._open:
            return []
        self._tail = ()
        message = {**self._info("EndOfTurn", sure), "trigger": trigger}
        self._index += 1
        self._words, self._told = [], ""
        self._open = self._eager = False
        self._begins = self._received
        return [message]

    def _trigger(self, silence: float, turn_over: float | None) -> str | None:
        """What ends the turn after so many seconds of silence; None: nothing yet."""
        if silence * 1000 >= self.thresholds.eot_timeout_ms:
            return "timeout"
        least = self.thresholds.eot_threshold
        return "model" if least < 1 and self._confidence_after(silence, turn_over) >= least else None

    def _silence(self, now: float) -> float:
        return 0.0 if self._paused_at is None else now - self._silent_since

    def _confidence(self, now: float) -> float:
        """That no more is coming in this turn, 0 to 1."""
        return self._confidence_after(self._silence(now), self._turn_over)

    def _confidence_after(self, silence: float, turn_over: float | None) -> float:
        return min(max(silence / self._sure_seconds, turn_over or 0.0), 1.0)

    def _silence_for(self, sure: float) -> float:
        """Seconds of silence that make the end of the turn so sure."""
        return 0.0 if (self._turn_over or 0.0) >= sure else sure * self._sure_seconds

    @property
    def _sure_seconds(self) -> float:
        """Silence after which nobody doubts that the turn is over."""
        return (UNSURE_SECONDS if self.judged else SILENCE_SECONDS) / DEFAULT_EOT

    @property
    def _text(self) -> str:
        return text_of((*self._words, *self._tail)).strip()

    def _info(self, event: str, sure: float) -> Message:
        self._told = self._text
        return {
            "type": "TurnInfo",
            "event": event,
            "turn_index": self._index,
            "audio_window_start": in_seconds(self._begins),
            "audio_window_end": in_seconds(max(self._received, self._begins)),
            "transcript": self._told,
            "words": [
                {
                    "word": word.text.strip(),
                    "confidence": confidence([word]),
                    "start": in_seconds(word.start),
                    "end": in_seconds(word.end),
                }
                for word in (*self._words, *self._tail)
            ],
            "end_of_turn_confidence": round(sure, 4),
            **({"languages": [self._language]} if self._multilingual and self._language else {}),
        }
