"""Nobody is deaf unnoticed: speech that is heard for long without a word being written raises an alarm."""

from __future__ import annotations

import logging
from collections import deque

from wlkd.contract.audio import samples
from wlkd.contract.types import Frame, SessionInfo
from wlkd.metrics import Metrics
from wlkd.sessions.progress import Progress

logger = logging.getLogger(__name__)

SPEECH = samples(30.0)
"""Speech without a committed word that raises the alarm: people who speak say a word every few seconds."""
WITHIN = samples(45.0)
"""The latest audio in which speech counts: an hour's coughs are not a speech."""


class Deafness:
    """Of one session. Speech is what the VAD takes for it; silence does not count, and tentative words help nobody."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[int, int]] = deque()
        """(sample index behind it, samples) of each piece of speech without a word."""
        self.alarm = False

    def heard(self, frame: Frame) -> None:
        """Take speech."""
        self._stretches.append((frame.end, len(frame.samples)))
        while self._stretches[0][0] <= frame.end - WITHIN:
            self._stretches.popleft()

    def raised(self, waiting: int) -> bool:
        """The recognizer has made a step, and `waiting` samples of speech still wait for it. Says whether this raises
        the alarm."""
        if self.alarm or sum(length for _, length in self._stretches) - waiting < SPEECH:
            return False
        self.alarm = True
        return True

    def relieved(self) -> bool:
        """A word was committed, or the session ends. Says whether this ends an alarm."""
        self._stretches.clear()
        was, self.alarm = self.alarm, False
        return was


class Alarm:
    """Says in the metrics, in the log and to the client that a session is deaf, and when it hears again."""

    def __init__(self, info: SessionInfo, progress: Progress, metrics: Metrics) -> None:
        self._info = info
        self._progress = progress
        self._metrics = metrics
        self._deafness = Deafness()

    def heard(self, frame: Frame) -> None:
        """Take speech. An upload may have to wait for its turn, so its silence means nothing."""
        if self._info.params.priority == "live":
            self._deafness.heard(frame)

    def listened(self, waiting: int) -> None:
        """The recognizer has made a step. `waiting`: samples of speech that still wait for it, as after an outage, when
        a client sends what it has kept: of those no words could come."""
        info = self._info
        if self._deafness.raised(waiting):
            self._metrics.deaf.inc()
            self._metrics.deaf_alarms.inc()
            self._show(True)
            logger.warning(
                "session %s (%s from %s): 30 s of speech were heard, and no word was committed",
                info.id,
                info.transport,
                info.peer,
            )

    def relieve(self) -> None:
        """A word was committed, or the session ends."""
        if self._deafness.relieved():
            self._metrics.deaf.dec()
            self._show(False)

    def _show(self, deaf: bool) -> None:
        self._progress.deaf = deaf
        self._progress.tell()
