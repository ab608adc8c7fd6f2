"""A session's place at an engine; where its language decides on the engine, the default one finds that out first.

The speech is kept until the language is known. Then the engine of the language hears all of it from the beginning, and
what the default engine made of it is left out: nothing was committed yet, or it is told those words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile

from wlkd.contract.audio import samples
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, Pause, RecognitionParams, SpeechEvent, Word
from wlkd.inference.backlog import Outcome, Stream
from wlkd.inference.engines import Engine, Engines

LONGEST = samples(60.0)
"""Speech that is kept. A session whose language is not known by then stays with the default engine."""
LEAST = samples(2.0)
"""Speech that tells a language. What an engine takes a lone "yes" for is a guess, which the next words may correct."""


class Place:
    """See `wlkd.inference.backlog.Stream`, of which this is one after another. Event loop only."""

    def __init__(
        self,
        engines: Callable[[], Engines],
        engine: Engine,
        params: RecognitionParams,
        *,
        decides: bool,
        on_handover: Callable[[Engine, str], None] = lambda engine, language: None,
    ) -> None:
        """At `engine`; `decides`: until the language is known. `engines`: those of that moment, as one that a reload
        replaced may be closed by then. `on_handover` is told the new one and the language."""
        self._engines = engines
        self.engine = engine
        self._params = params
        self._on_handover = on_handover
        self._on_outcome: Callable[[Outcome], None]
        self._stream: Stream
        self._heard: list[SpeechEvent] | None = [] if decides else None
        self._kept = 0
        self._told: tuple[Word, ...] = params.told

    def open(self, on_outcome: Callable[[Outcome], None]) -> Place:
        """Begin. `on_outcome` is called on the event loop after each step. Raises `SessionError("bad_request")`."""
        self._on_outcome = on_outcome
        self._stream = self.engine.worker.open(self._params, self._decide if self._heard is not None else on_outcome)
        return self

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing running."""
        return self._stream.idle

    @property
    def backlog(self) -> int:
        """Samples of speech handed in and not yet through inference."""
        return self._stream.backlog

    def push(self, event: SpeechEvent) -> None:
        """Hand in speech, or a pause."""
        if self._heard is not None:
            self._heard.append(event)
            self._kept += len(event.samples) if isinstance(event, Frame) else 0
        self._stream.push(event)

    async def room(self, limit: int) -> None:
        """Wait until the backlog is below `limit` samples."""
        stream: Stream | None = None
        while stream is not self._stream:
            stream = self._stream
            await stream.room(limit)

    async def drained(self) -> None:
        """Wait until everything handed in has been through inference."""
        stream: Stream | None = None
        while stream is not self._stream:
            stream = self._stream
            await stream.drained()

    def close(self) -> None:
        """Leave the engine."""
        self._heard = None
        self._stream.close()

    # While the language is not known ---------------------------------------------------------------------------

    def _decide(self, outcome: Outcome) -> None:
        """The default engine has made a step."""
        if isinstance(outcome, Commit) and self._heard is not None:
            if outcome.language is not None and not _guessed(outcome, self._heard):
                heard, self._heard = self._heard, None
                if self._hand_over(outcome.language, heard):
                    outcome = Commit(language=outcome.language)
            elif self._kept > LONGEST:
                self._heard = None
            else:
                self._told += outcome.words
        self._on_outcome(outcome)

    def _hand_over(self, language: str, heard: list[SpeechEvent]) -> bool:
        """To the engine of `language`, if it is another one and takes what the session asks for."""
        params = replace(self._params, language=language)
        engines = self._engines()
        engine = engines.route(params)
        if engine in (self.engine, engines.default):
            return False
        continues = engine.backend.continues
        try:
            stream = engine.worker.open(replace(params, told=self._told if continues else ()), self._on_outcome)
        except SessionError:
            return False
        self._stream.close()
        self._stream, self.engine = stream, engine
        # What it cannot be told it must not hear again.
        known_until = 0 if continues or not self._told else self._told[-1].end
        for event in _after(heard, known_until):
            stream.push(event)
        self._on_handover(engine, language)
        return True


def _guessed(commit: Commit, heard: list[SpeechEvent]) -> bool:
    """Whether `commit`, which says a language, follows on a pause behind too little speech, and more may follow."""
    told = list(takewhile(lambda event: _begin(event) <= commit.until, heard))
    speech = sum(len(event.samples) for event in told if isinstance(event, Frame))
    pause = next((event for event in reversed(told) if isinstance(event, Pause)), None)
    return commit.segment_end and speech < LEAST and pause is not None and not pause.over


def _begin(event: SpeechEvent) -> int:
    return event.start if isinstance(event, Frame) else event.at


def _after(events: list[SpeechEvent], known_until: int) -> Iterator[SpeechEvent]:
    """The part of `events` behind a sample index."""
    for event in events:
        if not isinstance(event, Frame):
            if event.at > known_until:
                yield event
        elif event.end > known_until:
            cut = max(known_until - event.start, 0)
            yield Frame(event.start + cut, event.samples[cut:])
