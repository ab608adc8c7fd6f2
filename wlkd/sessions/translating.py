"""Lets the translator follow one stream's words. It may be late, or fail: words never wait for it.

Finished sentences are translated once and for good, in order. The one that goes on is shown as a draft, at most once a
second: what is translated anew at each word says something else each time, and unsettles its reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wlkd.contract.text import text_of
from wlkd.contract.types import Note, Passage, TranslationParams, Word
from wlkd.inference.translation import Rank, Request, TranslationService
from wlkd.metrics import Metrics
from wlkd.sessions.script import Script
from wlkd.sessions.sentences import Sentence
from wlkd.sessions.transcript import Transcript

DRAFT_SECONDS = 1.0
"""Between two drafts of one stream."""
MAX_WAITING = 100
"""Sentences of a live stream that may wait: five minutes of fast speech. Beyond, the oldest goes untranslated. An
upload has to wait instead."""
LOOK_SECONDS = 1.0
"""How often whoever waits for an upload's translations looks whether the translator is stuck."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A finished sentence on its way."""

    sentence: Sentence
    since: float
    request: Request | None = None
    done: bool = False
    text: str | None = None


class Translating:
    """One session's. Event loop only."""

    def __init__(
        self,
        params: TranslationParams,
        service: TranslationService,
        transcript: Transcript,
        metrics: Metrics,
        *,
        english: bool,
        upload: bool,
    ) -> None:
        """`english`: the recognizer writes English, whatever is spoken. `upload`: nobody reads along."""
        self._params = params
        self._sources = service.targets[params.target]
        self._service = service
        self._transcript = transcript
        self._metrics = metrics
        self._english = english
        self._rank = Rank.UPLOAD if upload else Rank.LIVE
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._tell: Callable[[], None] = lambda: None
        self._note: Callable[[Note], None] = lambda note: None
        self._noted = False
        self._draft: Request | None = None
        self._drafted = ""
        self._draft_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tail: tuple[Word, ...] = ()
        self.tentative = ""
        """The draft of the sentence that goes on, or of the one that is being translated."""

    def report_to(self, tell: Callable[[], None], note: Callable[[Note], None]) -> None:
        """`tell` hears that something has changed, `note` what else the client should know."""
        self._tell, self._note = tell, note

    # What happens --------------------------------------------------------------------------------------------

    def wrote(self, tail: Sequence[Word]) -> None:
        """The transcript has changed; `tail`: what follows it and is not committed."""
        for sentence in self._transcript.take_sentences():
            self._ask(sentence)
        self._tail = tuple(tail)
        if self._rank is Rank.LIVE:
            self._redraft()

    @property
    def lag(self) -> int:
        """Samples with finished sentences that are not translated yet."""
        return self._waiting[-1].sentence.end - self._waiting[0].sentence.start if self._waiting else 0

    async def room(self) -> None:
        """Wait until few sentences are left; for uploads, which can wait."""
        while self._rank is Rank.UPLOAD and len(self._waiting) >= MAX_WAITING:
            await self._change(LOOK_SECONDS)
            self._give_up_if_stuck()

    async def finish(self) -> None:
        """The last word is written: wait until all is translated, of an upload as long as it takes."""
        self._transcript.end_sentence()
        self.wrote(())
        self._stop_drafts()
        if self._rank is Rank.UPLOAD:
            while self._waiting:
                await self._change(LOOK_SECONDS)
                self._give_up_if_stuck()
        else:
            await self._last_ones()
        self.tentative = ""

    def close(self) -> None:
        """Nobody reads any more."""
        self._stop_drafts()
        for item in self._waiting:
            self._cancel(item)

    # Finished sentences --------------------------------------------------------------------------------------

    def _ask(self, sentence: Sentence) -> None:
        self._drop_draft()
        item = _Waiting(sentence, self._now())
        self._waiting.append(item)
        source = self._source(sentence.language)
        if source == self._params.target:
            self._finished(item, sentence.text)
        elif source not in self._sources:
            languages = f"from {source or 'an unknown language'} to {self._params.target}"
            self._explain(f"there is no translation {languages}; from: {', '.join(sorted(self._sources))}")
            self._finished(item, None)
        else:
            passage = Passage(sentence.text, source, self._params.target)
            item.request = Request(passage, self._rank, lambda text: self._finished(item, text))
            self._service.ask(item.request)
        if self._rank is Rank.LIVE and len(self._waiting) > MAX_WAITING:
            self._skip(self._waiting[0])

    def _source(self, language: str | None) -> str | None:
        return "en" if self._english else language

    def _finished(self, item: _Waiting, text: str | None) -> None:
        item.done, item.text = True, text
        while self._waiting and self._waiting[0].done:
            first = self._waiting.popleft()
            if first.request is not None and first.text is not None:
                self._metrics.translation_delay.observe(self._now() - first.since)
            self._transcript.translated(first.sentence, None if first.text is None else self._written(first.text))
        if not self._waiting:
            self.tentative = ""
        self._changed.set()
        self._tell()

    def _written(self, text: str) -> str:
        """In the listener's characters."""
        word = Word(text, 0, 0)
        return text_of(Script(self._params.chinese_script).write([word], (), self._params.target)[0])

    def _skip(self, item: _Waiting) -> None:
        self._cancel(item)
        self._metrics.translation_skipped.inc()
        self._explain("translation is too far behind; some sentences are left out")
        self._finished(item, None)

    def _cancel(self, item: _Waiting) -> None:
        if item.request is not None:
            self._service.cancel(item.request)

    def _give_up(self) -> None:
        """What waits stays untranslated."""
        while self._waiting:
            self._skip(self._waiting[0])

    def _give_up_if_stuck(self) -> None:
        if self._service.stuck:
            self._give_up()

    def _explain(self, message: str) -> None:
        if not self._noted:
            self._noted = True
            start = self._waiting[0].sentence.start if self._waiting else 0
            self._note(Note("untranslated", message, start=start))

    async def _last_ones(self) -> None:
        deadline = self._now() + (0.0 if self._service.stuck else self._service.max_wait_seconds)
        while self._waiting and (left := deadline - self._now()) > 0:
            await self._change(left)
        self._give_up()

    async def _change(self, seconds: float) -> None:
        """Wait until a translation comes, at most this long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    # The sentence that goes on ---------------------------------------------------------------------------------

    def _redraft(self) -> None:
        """Have the sentence that goes on translated, now or when a second has passed since the last time."""
        passage = self._open_passage()
        if passage is None:
            if not self._waiting:
                self.tentative = ""
            return
        if passage.text == self._drafted or self._timer is not None or self._draft is not None:
            return
        now = self._now()
        if now < self._draft_due:
            self._timer = asyncio.get_running_loop().call_at(self._draft_due, self._on_timer)
            return
        self._draft_due = now + DRAFT_SECONDS
        self._drafted = passage.text
        draft = Request(passage, Rank.DRAFT, lambda text: self._on_draft(draft, text))
        self._draft = draft
        self._service.ask(draft)

    def _on_timer(self) -> None:
        self._timer = None
        self._redraft()

    def _open_passage(self) -> Passage | None:
        open_words = self._transcript.open_sentence
        text = text_of((*open_words, *self._tail)).strip()
        language = self._transcript.language
        source = self._source(language)
        if not text or source is None or source not in self._sources:
            return None
        return Passage(text, source, self._params.target)

    def _on_draft(self, draft: Request, text: str | None) -> None:
        if draft is self._draft:
            self._draft = None
            if text is not None:
                self.tentative = self._written(text)
                self._tell()
            self._redraft()

    def _drop_draft(self) -> None:
        if self._draft is not None:
            self._service.cancel(self._draft)
            self._draft = None

    def _stop_drafts(self) -> None:
        self._drop_draft()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
