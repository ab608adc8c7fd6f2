"""Where two people speak at once, and who is the other one.

The network tells that two speak, and not who they are. They are the two between whom the speaker changes there: the
next one begins before the other has ended. Somebody who only throws in a word, and whose turn it never is, is not told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wlkd import Frame, Samples, Turn
from wlkd.contract.audio import samples
from wlkd_speakers.segmentation import HEARD, STEP

LIKELY = 0.5
"""Two speak at once where the network thinks so."""
AROUND = samples(5.0)
"""What it hears at once. In 10 s it finds no more, in 3 s less."""
LEAST = samples(1.0)
"""It needs as much to say anything."""
BEHIND = samples(1.15)
"""Of that, what lies behind the time that is asked about: what a live stream has heard when a cell is decided."""
PIECE = samples(2.5)
"""Of a recording, what is asked about at once."""
BEFORE_CHANGE, AFTER_CHANGE = samples(0.7), samples(1.7)
"""So near a change the two speak at once who are on both sides of it."""
CLOSE = samples(0.5)
"""A longer pause between two turns is no change during which somebody could speak on."""

Span = tuple[int, int]
"""Session indexes: from, to."""


class Network(Protocol):
    """What hears two; `Segmenter` is one."""

    def two(self, sound: Samples) -> NDArray[np.float32]:
        """How likely two speak at once in each answer of the network (see `segmentation`) to `sound`."""


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody speaks, then somebody else."""

    at: int
    before: int
    after: int

    def is_near(self, start: int, end: int) -> bool:
        """Both may speak somewhere from `start` to `end`."""
        return self.at - BEFORE_CHANGE < end and start < self.at + AFTER_CHANGE


class LiveOverlaps:
    """Of one live stream: listens where the speaker changes."""

    def __init__(self, network: Network) -> None:
        self._ears = _Ears(network)
        self._last: tuple[Turn, ...] = ()
        """The last turn told."""
        self._changes: list[Change] = []
        """The last ones, in order."""

    def feed(self, frame: Frame) -> None:
        self._ears.feed(frame)
        self._ears.forget(frame.end - 2 * AROUND)

    def beside(self, turns: tuple[Turn, ...], following: int | None) -> tuple[Turn, ...]:
        """The turns beside `turns`, which are newly told. `following`: who is likely to speak next; None: unknown."""
        if not turns:
            return ()
        start, end = turns[0].start, turns[-1].end
        self._changes = [change for change in self._changes if change.at + AFTER_CHANGE > start]
        self._changes += _changes([*self._last, *turns])
        self._last = turns[-1:]
        known = self._changes
        if following is not None and following != turns[-1].speaker:
            known = [*known, Change(end, turns[-1].speaker, following)]
        if not any(change.is_near(start, end) for change in known):
            return ()
        return tuple(_beside(turns, self._ears.two_between(start, end), known))


class RecordingOverlaps:
    """Of a whole recording: listens to all of it, because who speaks is known only at its end. About 1 % of a core for
    each second in a second."""

    def __init__(self, network: Network) -> None:
        self._ears = _Ears(network)
        self._spans: list[Span] = []
        self._listened = 0
        """Session index up to which they are known."""

    def feed(self, frame: Frame) -> None:
        if frame.start >= self._ears.heard + BEHIND:
            self._listen(self._ears.heard)
            self._listened = frame.start
        self._ears.feed(frame)
        while self._ears.heard >= self._listened + PIECE + BEHIND:
            self._listen(self._listened + PIECE)

    def beside(self, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """The turns beside `turns`, which are those of the whole recording."""
        self._listen(self._ears.heard)
        return tuple(_beside(turns, self._spans, list(_changes(turns))))

    def _listen(self, end: int) -> None:
        self._spans += self._ears.two_between(self._listened, end)
        self._listened = end
        self._ears.forget(end - AROUND)


class _Ears:
    """What was heard of late."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._frames: deque[Frame] = deque()
        self.heard = 0
        """Session index up to which something was heard."""

    def feed(self, frame: Frame) -> None:
        self._frames.append(frame)
        self.heard = frame.end

    def forget(self, before: int) -> None:
        while self._frames and self._frames[0].end <= before:
            self._frames.popleft()

    def two_between(self, start: int, end: int) -> list[Span]:
        """Where two speak at once, from `start` to `end`."""
        stop = min(end + BEHIND, self.heard)
        begin = max(min(start, stop - AROUND), self._frames[0].start if self._frames else stop)
        if stop - begin < LEAST:
            return []
        likely = self._network.two(self._sound(begin, stop)) > LIKELY
        edges = np.flatnonzero(np.diff(likely.astype(np.int8), prepend=0, append=0))
        places = begin + (HEARD - STEP) // 2 + edges * STEP
        spans = [(max(int(one), start), min(int(other), end)) for one, other in places.reshape(-1, 2)]
        return [span for span in spans if span[0] < span[1]]

    def _sound(self, start: int, end: int) -> Samples:
        """What was heard from `start` to `end`, silence where the VAD passed nothing on."""
        sound = np.zeros(end - start, np.float32)
        for frame in self._frames:
            first, last = max(frame.start, start), min(frame.end, end)
            if first < last:
                sound[first - start : last - start] = frame.samples[first - frame.start : last - frame.start]
        return sound


def _changes(turns: Sequence[Turn]) -> Iterator[Change]:
    """Those between `turns` that follow each other closely."""
    for one, other in pairwise(turns):
        if one.speaker != other.speaker and other.start - one.end <= CLOSE:
            yield Change(other.start, one.speaker, other.speaker)


def _beside(turns: Iterable[Turn], spans: Sequence[Span], changes: Sequence[Change]) -> Iterator[Turn]:
    """The other speaker's turn, where one of `turns` is in one of `spans` and near a change from or to it."""
    for turn in turns:
        for start, end in ((max(one, turn.start), min(other, turn.end)) for one, other in spans):
            if start >= end:
                continue
            around = [one for one in changes if one.is_near(start, end) and turn.speaker in (one.before, one.after)]
            if around:
                change = min(around, key=lambda one: abs(2 * one.at - start - end))
                other = change.before if turn.speaker == change.after else change.after
                yield Turn(start, end, other, beside=True)
