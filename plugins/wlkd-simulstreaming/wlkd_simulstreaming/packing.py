"""Stretches of speech to windows of up to 30 s, cut at the best pauses.

Whisper was trained on 30 s, hears speech best with what stands around it, and costs as much for five seconds as for
thirty. So windows are few, of about equal length, and cut where speakers pause longest.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from wlkd_whisper.window import Window

from wlkd.contract.audio import samples, seconds
from wlkd.contract.types import Samples
from wlkd_simulstreaming import MODEL_SECONDS

LONGEST = samples(MODEL_SECONDS)
"""What Whisper hears at once."""
EARLIEST_CUT = samples(20.0)
"""Speech without a pause is cut at its quietest moment between this and `LONGEST`."""
MOMENT = samples(0.1)
LONGEST_SILENCE = samples(2.0)
"""Pauses are heard as silence up to this length: they tell the model where sentences end."""
PAUSE_WORTH = 0.15
"""How much of a window's cost one second of pause at its end is worth, up to `LONGEST_SILENCE`."""
BALANCE_WORTH = 0.3
"""What a window costs beside its fixed cost, were it all but empty: short windows are heard worse."""


def split(stretch: Window, end: int | None = None) -> list[Window]:
    """`stretch` in pieces of at most `LONGEST`, all but the last more than `EARLIEST_CUT`. Speech ended at the session
    index `end`; None: it goes on."""
    pieces = []
    while len(stretch) > LONGEST:
        cut = _quietest(stretch.samples)
        pieces.append(stretch.part(0, cut))
        stretch = stretch.part(cut, len(stretch))
    return [*pieces, stretch if end is None else stretch.quiet_after(end)]


def pack(stretches: Sequence[Window]) -> list[Window]:
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
    pieces: list[Window] = []
    stop = len(stretches)
    while stop > 0:
        start = starts[stop]
        pieces.append(functools.reduce(_joined, stretches[start + 1 : stop], stretches[start]))
        stop = start
    return pieces[::-1]


def _joined(before: Window, after: Window) -> Window:
    return before.paused(_pause(before, after)).followed(after)


def _pause(before: Window, after: Window) -> int:
    """Samples of silence to put between two stretches."""
    return min(max(after.session_index(0) - before.end, 0), LONGEST_SILENCE)


def _quietest(audio: Samples) -> int:
    """Where to cut `audio`, which is longer than `LONGEST`."""
    power = audio[EARLIEST_CUT:LONGEST].reshape(-1, MOMENT) ** 2
    return EARLIEST_CUT + MOMENT * int(np.argmin(power.mean(axis=1))) + MOMENT // 2
