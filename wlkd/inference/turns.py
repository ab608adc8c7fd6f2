"""Engines share the processors: the batch that has waited longest is next, whatever its engine."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from wlkd.inference.utilization import Load


class Sharer(Protocol):
    """An engine's worker."""

    @property
    def share(self) -> Fraction:
        """How much of the processors one of its batches keeps busy: with `n` batches at once they are all busy."""
        ...

    @property
    def load(self) -> Load: ...

    def wake(self) -> None:
        """It may be its turn: it should ask again, or renounce."""


class Turns:
    """One for all engines that compute on this machine. Event loop only."""

    def __init__(self) -> None:
        self._sharers: set[Sharer] = set()
        self._waiting: dict[Sharer, float] = {}
        self._taken = Fraction(0)

    def join(self, who: Sharer) -> None:
        """`who` computes here."""
        self._sharers.add(who)

    def leave(self, who: Sharer) -> None:
        """`who` computes here no more; a batch that never came back still counts."""
        self._sharers.discard(who)
        self.renounce(who)

    def take(self, who: Sharer, since: float) -> bool:
        """A turn for `who`, whose stream has waited since `since`. False: others come first, or the processors are
        taken; it is woken."""
        self._waiting[who] = since
        if who is not self._next or self._taken + who.share > 1:
            return False
        del self._waiting[who]
        self._taken += who.share
        self._wake_next()
        return True

    def give_back(self, who: Sharer) -> None:
        """A batch of `who` is over."""
        self._taken -= who.share
        self._wake_next()

    def renounce(self, who: Sharer) -> None:
        """Nobody at `who` is due any more."""
        if self._waiting.pop(who, None) is not None:
            self._wake_next()

    def waits(self, who: Sharer) -> bool:
        """Whether `who` has asked for a turn, and does not have it yet."""
        return who in self._waiting

    def live_busy(self, now: float) -> float:
        """Share of the processors' recent time spent on live streams, of all engines, 0 to 1."""
        return min(sum(who.load.live_busy(now) for who in self._sharers), 1.0)

    @property
    def _next(self) -> Sharer | None:
        return min(self._waiting, key=lambda who: self._waiting[who], default=None)

    def _wake_next(self) -> None:
        if (who := self._next) is not None:
            who.wake()
