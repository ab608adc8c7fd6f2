"""The words of several channels as one transcript, phrase by phrase in the order in which they were spoken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from wlkd.contract.audio import samples
from wlkd.contract.text import ends_sentence
from wlkd.contract.types import EMPTY_UPDATE, Line, Update, Word
from wlkd.transports.turns import has_all_words

LINE_PAUSE = samples(2.0)
"""Between two words of a channel: a new line."""
LONG_LINE = samples(30.0)
"""A line that got that long ends with its sentence."""
PHRASE_PAUSE = samples(0.5)
"""Between two words of a channel: a new phrase. Who talks into a phrase is read behind it, not between its words."""
LONG_PHRASE = samples(3.0)
"""A phrase that lasted so long since another channel spoke may be cut between any two words."""
MAX_WAIT_SECONDS = 3.0
"""Live words wait for those of other channels no longer."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A word that waits for other channels'."""

    word: Word
    language: str | None
    since: float
    """By the clock."""


@dataclass
class _Channel:
    """What is known of one channel."""

    latest: Update = EMPTY_UPDATE
    words: deque[_Waiting] = field(default_factory=deque)
    """Those that wait for other channels'."""
    settled: int = 0
    """Words to come begin here or later."""
    complete: bool = True
    """Nobody speaks, and all words have come."""
    owes: bool = False
    """Words from before the latest onset of speech are to come."""
    over: bool = False

    def take(self, number: int, update: Update, now: float) -> None:
        if update.speech_start != self.latest.speech_start:
            self.owes, self.complete = not self.complete, False
        self.latest, self.over = update, update.final
        committed = (replace(word, speaker=number + 1) for word in update.committed)
        self.words.extend(_Waiting(word, update.language, now) for word in committed)
        self.complete |= has_all_words(update)
        settled = update.committed[-1].end if update.committed else 0
        if self.complete:
            settled = update.received
        elif not self.owes:
            heard = update.received if update.speech_end is None else update.speech_end
            shown = (*update.waiting, *update.tentative)
            settled = min([heard - update.lag, *(word.start for word in shown)])
        self.settled = max(self.settled, settled)


class Merged:
    """The words of all channels in the order in which they were spoken, phrase by phrase.

    Words wait until those of the other channels are known up to there. A live channel in which nobody speaks would have
    told of speech; one of a recording may be heard much later than the others.
    """

    def __init__(self, count: int, clock: Callable[[], float], *, live: bool) -> None:
        self._channels = [_Channel() for _ in range(count)]
        self._clock = clock
        self._live = live
        self._lines: list[Line] = []
        self._segment_ended = False
        self._flushes = 0
        self._speaks = self._channels[0]
        """Whose word was the last one."""
        self._phrase_end = 0
        """Up to where a next word of the same channel is of the same phrase."""

    def take(self, number: int, update: Update) -> Update:
        self._channels[number].take(number, update, self._clock())
        self._segment_ended |= update.segment_end
        return self._update()

    def end(self, number: int) -> Update:
        """Nothing more comes from this channel, perhaps because it has failed."""
        self._channels[number].over = True
        return self._update()

    def _update(self) -> Update:
        committed = tuple(self._release())
        every = [channel.latest for channel in self._channels]
        segment_end = False
        if not any(channel.words for channel in self._channels):
            segment_end, self._segment_ended = self._segment_ended, False
            self._flushes = min(one.flushes for one in every)
        speaking = any(one.speech_start is not None and one.speech_end is None for one in every)
        ends = [one.speech_end for one in every if one.speech_end is not None]
        return Update(
            lines=tuple(self._lines),
            committed=committed,
            tentative=tuple(word for number in range(len(every)) for word in self._tentative(number)),
            language=next((one.language for one in every if one.language), None),
            segment_end=segment_end,
            speech_start=max((one.speech_start for one in every if one.speech_start is not None), default=None),
            speech_end=None if speaking else max(ends, default=None),
            received=min(one.received for one in every),
            lag=max(one.lag for one in every),
            deaf=any(one.deaf for one in every),
            notes=tuple(dict.fromkeys(note for one in every for note in one.notes)),
            flushes=self._flushes,
            final=all(one.final for one in every),
        )

    def _tentative(self, number: int) -> Iterator[Word]:
        channel = self._channels[number]
        latest = channel.latest
        yield from (waiting.word for waiting in channel.words)
        yield from (replace(word, speaker=number + 1) for word in (*latest.waiting, *latest.tentative))

    def _release(self) -> Iterator[Word]:
        """The words that need not wait any longer, now in lines."""
        while (channel := self._next()) is not None:
            waiting = channel.words.popleft()
            word = waiting.word
            self._append(word, waiting.language)
            self._speaks = channel
            self._phrase_end = word.end + (0 if ends_sentence(word.text, waiting.language) else PHRASE_PAUSE)
            yield word

    def _next(self) -> _Channel | None:
        """Whose word is next; None: nobody's, or one that is still to come."""
        waiting = [channel for channel in self._channels if channel.words]
        if not waiting:
            return None
        chosen = min(waiting, key=_start)
        start = _start(chosen)
        phrase_end = min(self._phrase_end, start + LONG_PHRASE)
        needed = max(start, phrase_end)
        if self._speaks.words and _start(self._speaks) < phrase_end:
            chosen = self._speaks
            needed = _start(chosen) - LONG_PHRASE
        late = self._live and self._clock() - min(channel.words[0].since for channel in waiting) >= MAX_WAIT_SECONDS
        silent = [channel for channel in self._channels if not channel.words]
        return chosen if late or all(self._is_known(channel, needed) for channel in silent) else None

    def _is_known(self, channel: _Channel, position: int) -> bool:
        """Whether no more words of `channel` come from before sample index `position`."""
        return channel.over or (self._live and channel.complete) or channel.settled >= position

    def _append(self, word: Word, language: str | None) -> None:
        last = self._lines[-1] if self._lines else None
        if last is None or last.speaker != word.speaker or last.language != language or _is_over(last, word):
            self._lines.append(Line(word.start, word.end, (word,), language))
        else:
            self._lines[-1] = replace(last, end=word.end, words=(*last.words, word))


def _start(channel: _Channel) -> int:
    return channel.words[0].word.start


def _is_over(line: Line, word: Word) -> bool:
    sentence_ended = ends_sentence(line.words[-1].text, line.language)
    return (sentence_ended and line.end - line.start >= LONG_LINE) or word.start - line.end >= LINE_PAUSE
