"""What live recognition leaves to other calls.

Uploads and translation compute on threads that give way to it. How long such a call takes by the clock says little: in
a full house it gets a few hundredths of the time. What was left to it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""How often to look what is left."""


class LeftTime:
    """One call at a time."""

    def __init__(self, clock: Callable[[], float], spare: Callable[[], float]) -> None:
        """`spare`: share of the time that live recognition leaves, 0 to 1."""
        self._clock = clock
        self._spare = spare
        self._until_then = 0.0
        self._looked_at: float | None = None

    @property
    def seconds(self) -> float:
        """Left to the call that goes on; 0: there is none."""
        if self._looked_at is None:
            return 0.0
        return self._until_then + (self._clock() - self._looked_at) * self._spare()

    async def count(self, call: asyncio.Future[T]) -> T:
        """The result of `call`, which has just begun. Cancelled, it leaves the call alone, which goes on to count."""
        self._until_then, self._looked_at = 0.0, self._clock()
        while not call.done():
            await asyncio.wait({call}, timeout=LOOK_SECONDS)
            self._until_then, self._looked_at = self.seconds, self._clock()
        self._looked_at = None
        return call.result()
