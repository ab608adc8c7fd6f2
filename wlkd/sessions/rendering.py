"""From words as the model writes them to words as the listener reads them: whole, in one script, then the session's
filters.

What was committed is never touched again, so a filter that needs to know what follows makes its words wait here; they
are shown as tentative meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral

from wlkd.contract.components import TextFilter
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.returned import fault_of_word, wrong
from wlkd.contract.types import ChineseScript, Commit, Word
from wlkd.sessions.filters import Filters
from wlkd.sessions.script import Script, script_of
from wlkd.sessions.whole_words import WholeWords

logger = logging.getLogger(__name__)

MAX_HELD_WORDS = 40
"""A filter that makes more words wait than this gets them as they are: a telephone number is shorter."""


class Rendering:
    """One stream's. Every method returns the commits for the transcript, in order."""

    def __init__(self, script: ChineseScript, filters: Filters, query: Mapping[str, str], before: str = "") -> None:
        """`query`: what the client wishes of the `filters` there are. `before`: what was said elsewhere. Raises
        `BadParameter`."""
        self._script = Script(script, before)
        self._filters = filters
        self._chosen: dict[str, TextFilter] = {}
        self._language: str | None = None
        self._whole_words = WholeWords()
        self._set_up(filters.choose(query))

    def render(self, commit: Commit) -> list[Commit]:
        """`commit` as it is to be read; before it, what waits in another language. Raises `SessionError`."""
        language = commit.language or self._language
        waiting = self.release() if language != self._language else []
        self._language = language
        words, tentative = self._pass_on(commit.words, commit.tentative, end=commit.segment_end, over=commit.whole)
        return [*waiting, replace(commit, words=words, tentative=tentative)]

    def release(self) -> list[Commit]:
        """What waits: nothing will follow it. Raises `SessionError`."""
        words, _ = self._pass_on((), (), end=True, over=True)
        for stage in self._stages:
            stage.forget()
        return [Commit(words, language=self._language)] if words else []

    @property
    def waits_from(self) -> int | None:
        """Sample index where the first word that waits began; None: none does."""
        waiting = (self._whole_words.waits_from, *(stage.waits_from for stage in self._stages))
        return min((start for start in waiting if start is not None), default=None)

    def change(self, query: Mapping[str, str]) -> list[Commit]:
        """Write as `query` says from now on; what it does not name stays. Raises `BadParameter`, and
        then nothing has changed."""
        script = script_of(query, self._script.wanted)
        chosen = self._filters.choose(query, self._chosen)
        waiting = self.release()
        self._script.wanted = script
        self._set_up(chosen)
        return waiting

    def _pass_on(
        self, words: tuple[Word, ...], tentative: tuple[Word, ...], *, end: bool, over: bool | None
    ) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        words, tentative = self._whole_words.pass_on(words, tentative, self._language, over=end or over)
        words, tentative = self._script.write(words, tentative, self._language)
        for stage in self._stages:
            words, tentative = stage.pass_on(words, tentative, self._language, end=end)
        return words, tentative

    def _set_up(self, chosen: dict[str, TextFilter]) -> None:
        self._chosen = chosen
        self._stages = [_Stage(name, text_filter) for name, text_filter in chosen.items()]


class _Stage:
    """A filter and the words that it makes wait."""

    def __init__(self, name: str, text_filter: TextFilter) -> None:
        self._name = name
        self._filter = text_filter
        self._held: tuple[Word, ...] = ()
        self._at_pause = False
        """What is held was left out before a pause."""

    @property
    def waits_from(self) -> int | None:
        """Sample index where the first word began that is still to go out."""
        return self._held[0].start if self._held and not self._at_pause else None

    def forget(self) -> None:
        """Nothing will follow what waits."""
        self._held = ()

    def pass_on(
        self, words: Sequence[Word], tentative: Sequence[Word], language: str | None, *, end: bool
    ) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """What is settled of `words`, and the tail; at the `end` of a stretch everything is settled, but what is left
        out there waits on: an um before a pause hands its capital to the word behind it."""
        try:
            return self._pass_on((*self._held, *words), tuple(tentative), language, end)
        except Exception as error:
            # Unfiltered the words must not go out: they may be what the filter is there to hide.
            self._held = ()
            logger.exception("the filter %s failed", self._name)
            raise SessionError(Code.INTERNAL, f"the filter {self._name} failed: {type(error).__name__}") from error

    def _pass_on(
        self, words: tuple[Word, ...], tentative: tuple[Word, ...], language: str | None, end: bool
    ) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        count = self._settled(words, language) if words else 0
        is_over = end and self._rewritten(words[count:], language)
        if is_over or len(words) - count > MAX_HELD_WORDS:
            count = len(words)
        self._held = words[count:]
        # However long the pause is, none of it need be heard again for a word that does not go out.
        self._at_pause = end
        return self._rewritten(words[:count], language), self._rewritten((*self._held, *tentative), language)

    def _rewritten(self, words: tuple[Word, ...], language: str | None) -> tuple[Word, ...]:
        if not words:
            return ()
        made: object = self._filter.rewrite(words, language)
        rewritten = tuple(made) if isinstance(made, Iterable) else (made,)
        if others := {type(word).__name__ for word in rewritten if not isinstance(word, Word)}:
            raise wrong(self._filter.rewrite, f"{', '.join(sorted(others))}; due are Words")
        for word in rewritten:
            if fault := fault_of_word(word):
                raise wrong(self._filter.rewrite, fault)
        return rewritten

    def _settled(self, words: tuple[Word, ...], language: str | None) -> int:
        count: object = self._filter.settled(words, language)
        if not isinstance(count, Integral) or count < 0:
            raise wrong(self._filter.settled, f"{count!r}; due is how many of the words are settled, an int")
        return int(count)
