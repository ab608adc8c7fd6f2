"""Updates as the events of the items that a conversation is made of."""

from __future__ import annotations

import math
import uuid
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from wlkd import SessionError, Update, Word
from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd.transports.turns import has_all_words, patience
from wlkd_openai.errors import fields_of
from wlkd_openai.languages import by_words
from wlkd_openai.logprobs import logprobs

Event = dict[str, Any]


def new_id(kind: str) -> str:
    """An id like those of the API: `item_8f0c...`."""
    return f"{kind}_{uuid.uuid4().hex[:24]}"


@dataclass
class Item:
    """One turn. It is committed once its audio has ended, and completed once all its words have come."""

    start: int
    """Sample index, counted over the whole connection."""
    end: int
    id: str = field(default_factory=lambda: new_id("item"))
    words: list[Word] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    """How many of its words are in each."""
    committed: bool = False
    heard: bool = False
    """All of its words so far have come."""

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


class Items:
    """The turns of one connection: those found by the VAD, or those that the client commits.

    Words belong to the oldest turn that is not complete, until one comes from where the next turn has begun.
    """

    def __init__(self, *, beta: bool) -> None:
        self._added = ("conversation.item.created",) if beta else ("conversation.item.added", "conversation.item.done")
        self._open: deque[Item] = deque()
        self._last_id: str | None = None
        self._speech_start: int | None = None
        self._offset = 0
        self._position = 0
        """Where the last turn ended."""
        self.finds_turns = True
        self.unsure_seconds: float | None = None
        """`semantic_vad`: silence that ends a turn which is not over by sense; None: every pause ends it."""
        self.judged = False
        """A turn detector judges the pauses."""
        self._due: tuple[float, int] | None = None
        """When silence ends the open turn, by the clock, and where its speech ended."""
        self.logprobs = False
        """Events say how sure each word is."""
        self.completed = 0
        """How many turns were."""

    @property
    def pending(self) -> bool:
        """A turn is over, and not all of its words have come."""
        return any(item.committed for item in self._open)

    def begin_stream(self, offset: int) -> None:
        """The samples of the updates to come count from `offset`."""
        self._offset = offset
        self._speech_start = None

    def on_update(self, update: Update, now: float = 0.0) -> list[Event]:
        """What `update` adds. `now`: seconds of a monotonic clock."""
        events: list[Event] = []
        if update.speech_start is not None and update.speech_start != self._speech_start:
            self._speech_start, self._due = update.speech_start, None
            if self._thinking:
                self._open[-1].heard = False
            elif self.finds_turns:
                events += self._start(update.speech_start + self._offset)
        if self.finds_turns and update.speech_end is not None and self._open and not self._open[-1].committed:
            events += self._pause(update, now, update.speech_end + self._offset)
        before = len(self._open)
        events += self._deltas(update)
        if self._open:
            # Where words have completed a turn, the end may be of that one.
            of_another = len(self._open) < before
            self._open[0].heard |= has_all_words(update) if self._thinking or of_another else update.segment_end
        if self._thinking and not update.final:
            return events
        if self.finds_turns and self._open and self._open[0].heard:
            events += self._complete(update.received + self._offset)
            # One end may stand for several: where nothing is owed, all turns that are over have their words.
            while self._open and self._open[0].committed and not update.lag:
                events += self._complete(update.received + self._offset)
        return events

    def on_time(self, now: float) -> list[Event]:
        """What the silence since the last update adds."""
        if self._due is None or self._due[0] > now or not self._thinking:
            return []
        _, at = self._due
        self._due = None
        item = self._open[-1]
        return [*self._stop(item, at), *(self._complete(at) if item.heard else [])]

    def wait_seconds(self, now: float) -> float | None:
        """When `on_time` has something to say; None: only after another update."""
        return None if self._due is None else max(self._due[0] - now, 0.0)

    @property
    def _thinking(self) -> bool:
        """Whether a turn is open that a pause alone does not end."""
        by_sense = self.judged and self.unsure_seconds is not None
        return self.finds_turns and by_sense and bool(self._open) and not self._open[-1].committed

    def _pause(self, update: Update, now: float, at: int) -> list[Event]:
        """Speech has ended at sample index `at`; perhaps the turn has."""
        if self._thinking and not update.final:
            wanted = patience(0.0, update, judged=True, unsure_seconds=self.unsure_seconds or 0.0)
            silence = max(seconds(update.received + self._offset - at), 0.0)
            if silence < wanted:
                self._due = (now + wanted - silence, at)
                return []
        self._due = None
        return self._stop(self._open[-1], at)

    def commit(self, until: int) -> list[Event]:
        """The client ends a turn at sample index `until`; its last words are still to come."""
        return self._commit(self._turn(), until)

    def committed(self, until: int) -> list[Event]:
        """All words of the turn that the client ended have come."""
        return [] if self.finds_turns and not self._thinking else self._complete(until)

    def silent(self, until: int) -> list[Event]:
        """A turn in which nobody has spoken."""
        return [*self.commit(until), *self._complete(until)]

    def clear(self) -> None:
        """The client does not want to know what became of its audio."""
        self._open.clear()

    def failed(self, error: SessionError) -> list[Event]:
        """The turns that get no transcript any more."""
        events: list[Event] = [
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": item.id,
                "content_index": 0,
                "error": fields_of(error),
            }
            for item in self._open
        ]
        self._open.clear()
        return events

    def _turn(self) -> Item:
        """The turn that words belong to now."""
        if not self._open:
            self._open.append(Item(self._position, self._position))
        return self._open[0]

    def _start(self, at: int) -> list[Event]:
        # Its end was in no update of its own: a slow reader gets several changes merged into one.
        missed = self._stop(self._open[-1], at) if self._open and not self._open[-1].committed else []
        self._open.append(Item(at, at))
        return [
            *missed,
            {
                "type": "input_audio_buffer.speech_started",
                "item_id": self._open[-1].id,
                "audio_start_ms": _milliseconds(at),
            },
        ]

    def _stop(self, item: Item, at: int) -> list[Event]:
        stopped = {
            "type": "input_audio_buffer.speech_stopped",
            "item_id": item.id,
            "audio_end_ms": _milliseconds(at),
        }
        return [stopped, *self._commit(item, at)]

    def _commit(self, item: Item, until: int) -> list[Event]:
        item.committed = True
        item.end = self._position = max(until, item.start)
        previous, self._last_id = self._last_id, item.id
        content = {"type": "input_audio", "transcript": None}
        added = {
            "id": item.id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [content],
        }
        return [
            {"type": "input_audio_buffer.committed", "item_id": item.id, "previous_item_id": previous},
            *({"type": kind, "previous_item_id": previous, "item": added} for kind in self._added),
        ]

    def _deltas(self, update: Update) -> list[Event]:
        """The words that `update` adds, each in its turn; a turn is complete when a word of the next one comes."""
        events: list[Event] = []
        words = update.committed
        while len(self._open) > 1 and self._open[0].committed:
            next_start = self._open[1].start - self._offset
            count = next((place for place, word in enumerate(words) if word.start >= next_start), None)
            if count is None:
                break
            events += self._delta(words[:count], update.language)
            events += self._complete(self._open[0].end)
            words = words[count:]
        return [*events, *self._delta(words, update.language)]

    def _delta(self, words: tuple[Word, ...], language: str | None) -> list[Event]:
        if not words:
            return []
        item = self._turn()
        text = "".join(word.text for word in words)
        event = {
            "type": "conversation.item.input_audio_transcription.delta",
            "item_id": item.id,
            "content_index": 0,
            # The deltas of an item, put together, are its transcript.
            "delta": text if item.words else text.lstrip(),
            **self._how_sure(words),
        }
        item.words += words
        if language is not None:
            item.languages[language] += len(words)
        return [event]

    def _how_sure(self, words: Iterable[Word]) -> dict[str, Any]:
        return {"logprobs": logprobs(words)} if self.logprobs else {}

    def _complete(self, until: int) -> list[Event]:
        item = self._turn()
        events = [] if item.committed else self._stop(item, until)
        self._open.popleft()
        self.completed += 1
        completed = {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": item.id,
            "content_index": 0,
            "transcript": item.text,
            "languages": by_words(item.languages),
            **self._how_sure(item.words),
            "usage": {"type": "duration", "seconds": math.ceil(seconds(item.end - item.start))},
        }
        return [*events, completed]


def _milliseconds(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE
