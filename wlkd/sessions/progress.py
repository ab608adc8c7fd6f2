"""How far a session has come with hearing and writing, and what an update says about it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.types import Commit, Diarization, Frame, Note, SpeechEvent, Update, Word
from wlkd.sessions.attribution import Attribution
from wlkd.sessions.transcript import Transcript
from wlkd.sessions.translating import Translating

LAG_NEWS = SAMPLE_RATE
"""A session that falls behind tells its client each time the lag has moved by this much."""

MAX_NOTES = 100
"""Notes that one stream gets at most; a last note says that others are left out."""


class Progress:
    """Written by the session's task and by the worker's answers, both on the event loop; read by the transport."""

    def __init__(
        self,
        transcript: Transcript,
        settled: int = 0,
        attribution: Attribution | None = None,
        clock: Callable[[], float] = time.monotonic,
        translating: Translating | None = None,
    ) -> None:
        """`settled`: samples that were heard elsewhere. `attribution`: gives words their speakers; None: nobody is told
        apart. `clock`: seconds, the event loop's. `translating`: follows what is written; None: nothing does."""
        self._transcript = transcript
        self._attribution = attribution
        self._clock = clock
        self._news = asyncio.Event()
        self._settled = settled
        self._told_lag = 0
        spoken = settled if transcript.words else None
        self._speech_start: int | None = spoken
        self._speech_end: int | None = spoken
        self._turn_over: float | None = None
        self._segment_ended = False
        self._flushes = 0
        self._notes: tuple[Note, ...] = ()
        self.voices: Mapping[str, Any] = {}
        """What the diarizer remembers, for the session that may go on from here."""
        self.received = settled
        """Samples heard so far."""
        self.deaf = False
        """Somebody speaks, and no word is committed."""
        self._translating = translating
        if translating is not None:
            translating.report_to(self.tell, self.noted)

    # What happens --------------------------------------------------------------------------------------------

    def received_up_to(self, end: int) -> None:
        """The decoder has come to sample index `end`."""
        self.received = end

    def noted(self, note: Note) -> None:
        """The decoder, or who listens to it, has something to say besides the words."""
        if len(self._notes) < MAX_NOTES:
            self._notes = (*self._notes, note)
        elif len(self._notes) == MAX_NOTES:
            self._notes = (*self._notes, replace(note, code="more", message="further notes are left out", length=0))
        self.tell()

    def heard(self, event: SpeechEvent) -> None:
        """The VAD heard speech, or a pause."""
        if not isinstance(event, Frame):
            self._speech_end, self._turn_over = event.at, None
            self.tell()
        elif self._in_silence:
            self._speech_start, self._speech_end, self._turn_over = event.start, None, None
            self.tell()

    def judged(self, turn_over: float) -> None:
        """How likely the speaker has ended with the latest speech."""
        self._turn_over = turn_over
        self.tell()

    def committed(self, commit: Commit) -> None:
        """The backend has made a step."""
        self._settled = max(self._settled, commit.until)
        if self._attribution is None:
            self._write(commit)
        else:
            # Those that wait may be of another language, which has to be written first.
            language = commit.language if self.waits_from is None else None
            self._transcript.apply(replace(commit, words=(), language=language, segment_end=False))
            self._attribution.add(commit, self._clock())
            self.release()
        self._translate()
        self.tell()

    def speakers_told(self, diarization: Diarization) -> None:
        """The diarizer has settled something; `release` writes the words that waited for it."""
        if self._attribution is not None:
            self._attribution.told(diarization)

    def speakers_late(self, late: bool) -> None:
        """Whether the diarizer is so late that words do not wait for it, for now."""
        if self._attribution is not None:
            self._attribution.late = late
            self.release()

    def speakers_failed(self) -> None:
        """The diarizer tells nothing more: words go out as they come."""
        if self._attribution is not None:
            self._attribution.fail()
            self.release()

    def release(self, enough: float = math.inf) -> bool:
        """Write the words that need not wait for their speaker any longer. True: there were `enough`, and may be more,
        for another call."""
        if self._attribution is None:
            return False
        written = 0
        for commit in self._attribution.take(self._clock()):
            self._write(replace(commit, tentative=self._transcript.tentative))
            self._translate()
            self.tell()
            written += len(commit.words)
            if written >= enough:
                return True
        return False

    def _write(self, commit: Commit) -> None:
        self._transcript.apply(commit)
        self._segment_ended |= commit.segment_end

    def _translate(self) -> None:
        if self._translating is not None:
            self._translating.wrote((*self._waiting, *self._transcript.tentative))

    @property
    def _waiting(self) -> tuple[Word, ...]:
        """Final words that wait for their speaker."""
        return () if self._attribution is None else self._attribution.waiting

    def flushed(self) -> None:
        """Everything that came before a flush is in the transcript."""
        self._flushes += 1
        self.tell()

    def caught_up(self, *, idle: bool) -> None:
        """A piece of audio has been worked through."""
        if abs(self.lag(idle=idle) - self._told_lag) >= LAG_NEWS:
            self.tell()

    @property
    def words(self) -> int:
        """Words committed so far."""
        return self._transcript.words

    def told_only(self, words: int) -> None:
        """The client has the first `words` of all words, and no more."""
        self._transcript.tell_again(words)
        self.tell()

    # What clients get --------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """There is something to say."""
        self._news.set()

    async def news(self) -> None:
        """Wait until there is something to say that no update has said."""
        await self._news.wait()

    def quiet(self, *, idle: bool) -> bool:
        """Nobody speaks, and all that was said is transcribed."""
        return idle and self._in_silence and self.waits_from is None

    @property
    def speakers_memory(self) -> Mapping[str, Any]:
        """What another session needs so that speakers keep their numbers; empty: speakers are not told apart."""
        return {} if self._attribution is None else {**self._attribution.memory, "voices": self.voices}

    @property
    def waits_from(self) -> int | None:
        """Sample index where the first word that waits for its speaker began; None: none does."""
        return None if self._attribution is None else self._attribution.waits_from

    def lag(self, *, idle: bool) -> int:
        """Samples received and not yet settled; silence is settled when it is heard. `idle`: the worker has none."""
        if self.quiet(idle=idle):
            return 0
        # Silence after speech brings no words, not even hours that a recording leaves out.
        heard = self.received if self._speech_end is None else self._speech_end
        return max(heard - max(self._settled, self._speech_start or 0), 0)

    @property
    def words_due(self) -> float | None:
        """When words must not wait for their speaker any longer, by the clock; None: none wait for a time."""
        return None if self._attribution is None else self._attribution.due

    @property
    def guessed_speakers(self) -> int:
        """Words whose speaker was not known in time, and that were given to the likeliest one."""
        return 0 if self._attribution is None else self._attribution.guessed

    def update(self, *, idle: bool, final: bool) -> Update:
        """The transcript as it is now; its words count as told."""
        self._news.clear()
        self._told_lag = self.lag(idle=idle)
        segment_ended, self._segment_ended = self._segment_ended, False
        waiting, translating = self._waiting, self._translating
        return Update(
            lines=self._transcript.lines,
            committed=self._transcript.take_fresh(),
            waiting=waiting,
            tentative=() if final else self._transcript.tentative,
            language=self._transcript.language,
            segment_end=segment_ended or final,
            speech_start=self._speech_start,
            speech_end=self._speech_end,
            turn_over=self._turn_over,
            received=self.received,
            lag=0 if final else self._told_lag,
            speaker_lag=waiting[-1].end - waiting[0].start if waiting else 0,
            deaf=self.deaf and not final,
            notes=self._notes,
            tentative_translation="" if translating is None else translating.tentative,
            translation_lag=0 if translating is None else translating.lag,
            flushes=self._flushes,
            final=final,
        )

    @property
    def _in_silence(self) -> bool:
        return self._speech_start is None or self._speech_end is not None
