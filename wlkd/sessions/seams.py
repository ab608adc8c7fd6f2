"""Where a stream could be cut and taken up again by another recognizer, without a word lost, doubled or revised.

Behind a pause is such a place. Where nobody pauses, a place between two words a few seconds back is one too, if the
recognizer that takes over gets the words behind it that are committed already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from wlkd.contract.audio import samples
from wlkd.contract.types import Commit, Word

CONTEXT_CHARACTERS = 300
"""Text before the seam that is kept as context: about as many tokens as backends read of it."""
LONGEST = samples(10.0)
"""Speech without a pause behind the seam, after which the seam moves on between two words."""
HEARD_AGAIN = samples(4.0)
"""What it leaves behind it then: enough for a recognizer to find its place."""
LONGEST_UNTOLD = samples(30.0)
"""The first, for a backend that cannot be told words. Its seam then lies behind the last word."""
QUIET = samples(1.0)
"""Of silence that still counts as unsettled: a VAD looks back from where it is sure that somebody speaks."""


class InOrder:
    """One stream's words, each of which begins later than the one before: so where one begins tells which of them have
    gone out, even after the rendering has joined and rewritten them."""

    def __init__(self, told: Sequence[Word] = ()) -> None:
        """`told`: the words before, from elsewhere."""
        self._latest = told[-1].start if told else -1

    def follow(self, commit: Commit) -> Commit:
        """`commit`; a word of it that begins with the one before, as two do that a model hears in the same frame, or
        before it, is moved behind it by a sample."""
        return replace(commit, words=tuple(self._placed(word) for word in commit.words))

    def _placed(self, word: Word) -> Word:
        if word.start > self._latest:
            self._latest = word.start
            return word
        self._latest += 1
        return replace(word, start=self._latest, end=max(word.end, self._latest))


class Seams:
    """The latest seam of one stream."""

    def __init__(self, *, can_tell: bool, at: int = 0, told: Sequence[Word] = (), context: str = "") -> None:
        """`can_tell`: the backend takes `RecognitionParams.told`. `context`: the text before `at`; in the beginning,
        the initial prompt."""
        self._can_tell = can_tell
        self.at = at
        """Everything before this sample index is settled."""
        self._told = tuple(told)
        """Words committed behind it."""
        self.context = context
        """What was said before the seam, the end of it."""

    def known(self, waits_from: int | None = None) -> tuple[Word, ...]:
        """Words behind the seam that the client has: those that begin at `waits_from` or later have not gone out."""
        return self._told if waits_from is None else tuple(word for word in self._told if word.start < waits_from)

    def committed(self, commit: Commit, waits_from: int | None = None) -> None:
        """The recognizer has made a step. Words from `waits_from` on do not go out yet: another recognizer would have
        to hear them again."""
        self._told += commit.words
        if commit.segment_end and waits_from is None:
            self._move(commit.until, len(self._told))
        elif commit.segment_end or commit.until - self.at > (LONGEST if self._can_tell else LONGEST_UNTOLD):
            heard_again = HEARD_AGAIN if self._can_tell and not commit.segment_end else 0
            limit = commit.until - heard_again
            self._move_between_words(limit if waits_from is None else min(limit, waits_from), self.known(waits_from))

    def silent(self, until: int) -> None:
        """Nobody speaks, all that was said is committed, and the stream has been heard up to `until`."""
        # Words from elsewhere may end behind: while they are heard again, a VAD takes a moment to notice that somebody
        # speaks.
        self._move_between_words(until - QUIET, self._told)

    def _move_between_words(self, limit: int, known: Sequence[Word]) -> None:
        """To `limit`, or to before the first of the `known` words that reaches over it."""
        # A word that ends behind the seam is heard again, and has to be told.
        count = sum(1 for _ in takewhile(lambda word: word.end <= limit, known))
        beyond = self._told[count].start if count < len(self._told) else limit
        before = self._told[count - 1].end if count else self.at
        self._move(max(before, min(limit, beyond)), count)

    def _move(self, at: int, count: int) -> None:
        """Behind the first `count` told words."""
        gone, self._told = self._told[:count], self._told[count:]
        if gone:
            self.context = (self.context + "".join(word.text for word in gone))[-CONTEXT_CHARACTERS:]
        self.at = max(self.at, at)
