"""Stretches of speech to windows of up to 30 s, cut at the best pauses.

Whisper was trained on 30 s, hears speech best with what stands around it, and costs as much for five seconds as for
thirty. So windows are few, of about equal length, and cut where speakers pause longest.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from wlkd_whisper.window import Window

from wlkd.contract.audio import samples, seconds
from wlkd.contract.types import Samples

LONGEST = samples(30.0)
"""What Whisper hears at once."""
EARLIEST_CUT = samples(20.0)
"""Speech without a pause is cut at its quietest moment between this and `LONGEST`."""
MOMENT = samples(0.1)
LONGEST_SILENCE = samples(2.0)
"""Pauses are heard as silence up to this length: they tell the model where sentences end."""
SLOPE = samples(0.1)
"""The end of a word that the VAD takes for silence."""
PAUSE_WORTH = 0.15
"""How much of a window's cost one second of pause at its end is worth, up to `LONGEST_SILENCE`."""
BALANCE_WORTH = 0.3
"""What a window costs beside its fixed cost, were it all but empty: short windows are heard worse."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What is heard at once."""

    window: Window
    pauses: tuple[tuple[int, int], ...] = ()
    """Where `window` is silent because speech paused: offsets, from and to."""

    def __len__(self) -> int:
        return len(self.window)

    @property
    def speech(self) -> int:
        """Samples of it that are not silent."""
        return len(self) - sum(loud - silent for silent, loud in self.pauses)

    def after(self, index: int) -> Piece:
        """What is left from the session's sample `index` on."""
        offset = self.window.offset(index)
        pauses = tuple((max(silent - offset, 0), loud - offset) for silent, loud in self.pauses if loud > offset)
        return Piece(self.window.after(index), pauses)

    def followed(self, piece: Piece) -> Piece:
        """With the pause and `piece` behind it."""
        silence = np.zeros(_pause(self, piece), dtype=np.float32)
        stop = len(self) + len(silence)
        marks = (*self.window.marks, *((stop + at, index) for at, index in piece.window.marks))
        audio = np.concatenate([self.window.samples, silence, piece.window.samples])
        *before, last = self.pauses or ((len(self), len(self)),)
        if last[1] < len(self):
            before, last = [*before, last], (len(self), len(self))
        later = ((stop + silent, stop + loud) for silent, loud in piece.pauses)
        return Piece(Window(audio, marks), (*before, (last[0], stop), *later))

    def spoken(self, start: int, end: int) -> tuple[int, int]:
        """Session indices of a word that an alignment puts between two offsets; it gives pauses to one of the words
        beside them."""
        for silent, loud in self.pauses:
            if start < silent < end:
                # On one side of the pause is the word, on the other what little the alignment is off by.
                start, end = (start, silent) if silent - start >= end - loud else (loud, end)
            elif silent <= start < loud:
                start, end = min(loud, end), end
        return self.window.session_index(start), self.window.session_index(end)


def split(stretch: Window, end: int | None = None) -> list[Piece]:
    """`stretch` in pieces of at most `LONGEST`, all but the last more than `EARLIEST_CUT`. Speech ended at the session
    index `end`; None: it goes on."""
    pieces = []
    while len(stretch) > LONGEST:
        cut = _quietest(stretch.samples)
        pieces.append(Piece(Window(stretch.samples[:cut], tuple(mark for mark in stretch.marks if mark[0] < cut))))
        stretch = stretch.after(stretch.session_index(cut))
    silent = len(stretch) if end is None else stretch.offset(end) + SLOPE
    return [*pieces, Piece(stretch, ((silent, len(stretch)),) if silent < len(stretch) else ())]


def pack(stretches: Sequence[Piece]) -> list[Piece]:
    """Pieces of at most `LONGEST` that hold all `stretches`, each of at most that length, in order.

    Of all ways to share them out the cheapest: each piece costs 1, more if it is short, less if a long pause follows.
    """
    costs, starts = [0.0], [0]
    for stop in range(1, len(stretches) + 1):
        best, chosen = float("inf"), stop - 1
        length = 0
        for start in range(stop - 1, -1, -1):
            length += len(stretches[start])
            if start + 1 < stop:
                length += _pause(stretches[start], stretches[start + 1])
            if length > LONGEST:
                break
            cost = costs[start] + 1 + BALANCE_WORTH * (1 - length / LONGEST) ** 2
            if start > 0:
                cost -= PAUSE_WORTH * seconds(_pause(stretches[start - 1], stretches[start]))
            if cost < best:
                best, chosen = cost, start
        costs.append(best)
        starts.append(chosen)
    pieces: list[Piece] = []
    stop = len(stretches)
    while stop > 0:
        start = starts[stop]
        pieces.append(functools.reduce(Piece.followed, stretches[start + 1 : stop], stretches[start]))
        stop = start
    return pieces[::-1]


def _pause(before: Piece, after: Piece) -> int:
    """Samples of silence to put between two stretches."""
    return min(max(after.window.session_index(0) - before.window.end, 0), LONGEST_SILENCE)


def _quietest(audio: Samples) -> int:
    """Where to cut `audio`, which is longer than `LONGEST`."""
    power = audio[EARLIEST_CUT:LONGEST].reshape(-1, MOMENT) ** 2
    return EARLIEST_CUT + MOMENT * int(np.argmin(power.mean(axis=1))) + MOMENT // 2
