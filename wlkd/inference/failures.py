"""Steps that fail one after the other, and whose fault it is: that of the streams, or the backend's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from wlkd.contract.errors import Code, SessionError
from wlkd.inference.backlog import Outcome

logger = logging.getLogger(__name__)

MOST_FAILED_STEPS = 10
"""After so many failures in a row, each of which ended a session, the backend is asked whether it still hears anybody:
one client may come back again and again with the same audio."""


class Failures:
    """Of one of a backend's ways to hear: what hears live streams may work where what hears uploads does not."""

    def __init__(self, what: str, on_broken: Callable[[], None] = lambda: None) -> None:
        """`what` may fail, for the log. `on_broken` is called when it turns out that it fails for everybody."""
        self._what = what
        self._on_broken = on_broken
        self._suspected = False
        self.in_a_row = 0
        """Of whichever streams."""
        self.is_broken = False
        """It fails for everybody; perhaps its device is gone."""

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Steps are over. One that succeeds makes everything good."""
        for outcome in outcomes:
            if isinstance(outcome, SessionError) and outcome.code == Code.BACKEND_FAILED:
                self.in_a_row += 1
                continue
            if self.is_broken:
                logger.warning("%s works again", self._what)
            self.in_a_row, self.is_broken = 0, False

    def suspect(self) -> None:
        """Another way of the backend is broken; this one should be tested soon."""
        self._suspected = True

    @property
    def to_test(self) -> bool:
        """Whether it is time to test whose fault it is."""
        return not self.is_broken and (self._suspected or self.in_a_row >= MOST_FAILED_STEPS)

    async def judge(self, test: Awaitable[object]) -> None:
        """`test` recognizes made-up speech: where it fails, the fault is the backend's."""
        self._suspected = False
        try:
            await test
        except Exception as error:
            self.is_broken = True
            logger.error("%s fails for everybody", self._what, exc_info=error)
            self._on_broken()
            return
        if self.in_a_row:
            logger.warning(
                "%s: %d steps in a row have failed, but it recognizes test speech: the fault is with the audio that "
                "those sessions sent; the errors above say more",
                self._what,
                self.in_a_row,
            )
        self.in_a_row = 0
