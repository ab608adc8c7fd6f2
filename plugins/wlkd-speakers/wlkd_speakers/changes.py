"""Where the speaker changes: when exactly, and whether the next one begins before the other has ended.

Voices tell who speaks, within half a second; a second network tells when, and not who. Somebody who only throws in a
word, and whose turn it never is, is not told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from wlkd import Frame, Turn
from wlkd.contract.audio import samples
from wlkd_speakers.listening import AROUND, BEHIND, Ears, Heard, Network, Span

PIECE = samples(2.5)
"""Of a recording, what is listened to at once."""
BEFORE_CHANGE, AFTER_CHANGE = samples(0.7), samples(1.7)
"""So near a change the two speak at once who are on both sides of it."""
CLOSE = samples(0.5)
"""A longer pause between two turns is no change during which somebody could speak on."""


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody speaks, then somebody else."""

    at: int
    before: int
    after: int

    def is_near(self, start: int, end: int) -> bool:
        """Both may speak somewhere from `start` to `end`."""
        return self.at - BEFORE_CHANGE < end and start < self.at + AFTER_CHANGE


class LiveChanges:
    """Of one live stream."""

    def __init__(self, network: Network) -> None:
        self._ears = Ears(network)
        self._last: Turn | None = None
        """What was told last, from where this speaker began."""
        self._changes: list[Change] = []
        """The last ones, in order."""

    def feed(self, frame: Frame) -> None:
        self._ears.feed(frame)
        self._ears.forget(frame.end - 2 * AROUND)

    def refined(self, turns: tuple[Turn, ...], following: int | None) -> tuple[Turn, ...]:
        """`turns`, which are newly told, and those beside them. `following`: who is likely to speak next; None: nobody
        knows."""
        if not turns:
            return ()
        start, end = turns[0].start, turns[-1].end
        row = [*([self._last] if self._last else []), *turns]
        if following is not None:
            row.append(Turn(end, end, following, turns[-1].confidence))
        self._changes = [change for change in self._changes if change.is_near(start, end)]
        overlaps: list[Turn] = []
        if self._changes or any(_changes(row)):
            heard = self._ears.listen(start, end)
            row = _moved(row, lambda _: heard, start, end)
            self._changes += _changes(row)
            turns = tuple(_between(row, start, end))
            overlaps += _beside(turns, heard.two_between(start, end) if heard else (), self._changes)
            # One that comes only behind `end` is found again, if it comes.
            self._changes = [change for change in self._changes if change.at < end]
        for turn in turns:
            goes_on = self._last and self._last.speaker == turn.speaker and turn.start - self._last.end <= CLOSE
            self._last = replace(turn, start=self._last.start) if self._last and goes_on else turn
        return (*turns, *overlaps)


class RecordingChanges:
    """Of a whole recording: listens to all of it, because who speaks is known only at its end. Each second of the
    recording takes 11 ms."""

    def __init__(self, network: Network) -> None:
        self._ears = Ears(network)
        self._pieces: list[tuple[int, int, Heard]] = []
        """From, to, and what was heard there and around it: 3 KiB for each second."""
        self._listened = 0
        """Session index up to which they are known."""

    def feed(self, frame: Frame) -> None:
        if frame.start >= self._ears.heard + BEHIND:
            self._listen(self._ears.heard)
            self._listened = frame.start
        self._ears.feed(frame)
        while self._ears.heard >= self._listened + PIECE + BEHIND:
            self._listen(self._listened + PIECE)

    def refined(self, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """`turns`, which are those of the whole recording, and those beside them."""
        self._listen(self._ears.heard)
        pieces, self._pieces = self._pieces, []
        if not (turns and pieces):
            return tuple(turns)
        start, end = turns[0].start, turns[-1].end
        starts = [piece[0] for piece in pieces]
        row = _moved(turns, lambda at: pieces[max(bisect_right(starts, at) - 1, 0)][2], start, end)
        spans = [span for first, last, heard in pieces for span in heard.two_between(first, last)]
        exact = tuple(_between(row, start, end))
        return (*exact, *_beside(exact, spans, list(_changes(row))))

    def _listen(self, end: int) -> None:
        heard = self._ears.listen(self._listened, end)
        if heard is not None:
            self._pieces.append((self._listened, end, heard))
        self._listened = end
        self._ears.forget(end - AROUND)


def _changes(turns: Iterable[Turn]) -> Iterator[Change]:
    """Those between `turns` that follow each other closely."""
    for one, other in pairwise(turns):
        if one.speaker != other.speaker and other.start - one.end <= CLOSE:
            yield Change(other.start, one.speaker, other.speaker)


def _moved(turns: Sequence[Turn], heard: Callable[[int], Heard | None], start: int, end: int) -> list[Turn]:
    """`turns`, the changes between them where they are by what was heard around each, but not outside of `start` and
    `end`."""
    row = list(turns)
    for place, (one, other) in enumerate(pairwise(turns)):
        around = heard(other.start)
        if around is None or not any(_changes((one, other))):
            continue
        at = min(max(around.change(other.start, one.start), start, row[place].start), end)
        row[place] = replace(row[place], end=at if one.end == other.start else min(one.end, at))
        row[place + 1] = replace(other, start=at, end=max(other.end, at))
    return row


def _between(turns: Iterable[Turn], start: int, end: int) -> Iterator[Turn]:
    """What of `turns` lies there."""
    for turn in turns:
        if max(turn.start, start) < min(turn.end, end):
            yield replace(turn, start=max(turn.start, start), end=min(turn.end, end))


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
