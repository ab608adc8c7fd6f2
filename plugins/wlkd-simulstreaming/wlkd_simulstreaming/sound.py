"""Where the sound of a word begins and is over. Attention and alignment do not tell: they give a short pause, of which
the VAD tells nothing, to a word beside it, and a long last syllable to nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wlkd import Samples
from wlkd.contract.audio import samples

SHORTEST = samples(0.1)
"""A word is not cut shorter than this."""
FADING = samples(0.02)
"""Of a word before and behind what counts as its sound."""
MOMENT = samples(0.01)
SILENT = samples(0.1)
"""So much silence is behind a word; less is inside of one, before a "t"."""
FADED, ABOVE_NOISE = 30.0, 3.0
"""Decibels: a sound is over when it is so far below the loudest tenth of its word, or so little above the quietest
tenth of what is around it. Chosen on conversations, by their turns (docs/speakers.md)."""
LEAST_FADED = 10.0
"""The same for a word that is hardly louder than what is around it."""
AROUND = samples(3.0)

Levels = NDArray[np.float32]
"""Decibels."""


class Sound:
    """How loud each moment of a window is."""

    def __init__(self, audio: Samples) -> None:
        moments = audio[: len(audio) // MOMENT * MOMENT].reshape(-1, MOMENT)
        self._levels: Levels = np.asarray(10 * np.log10(np.einsum("ij,ij->i", moments, moments) / MOMENT + 1e-9))

    def of_word(self, begin: int, stop: int, reach: int) -> tuple[int, int]:
        """Where the sound of a word begins and ends, as offsets in the window's samples. It is somewhere between
        `begin` and `stop`; where it goes on at `stop`, it ends at the first silence behind that, or at `reach`."""
        first, behind = begin // MOMENT, stop // MOMENT
        word = self._levels[first:behind]
        if len(word) * MOMENT <= SHORTEST:
            return begin, stop
        around = self._levels[max(begin - AROUND, 0) // MOMENT : (stop + AROUND) // MOMENT]
        loud, noise = _quantile(word, 0.9), _quantile(around, 0.1)
        least = max(loud - FADED, min(noise + ABOVE_NOISE, loud - LEAST_FADED))
        audible = first + np.flatnonzero(self._levels[first : max(behind, reach // MOMENT)] >= least)
        later = audible[np.searchsorted(audible, behind) - 1 :]
        silences = np.flatnonzero(np.diff(later) * MOMENT > SILENT)
        over = later[silences[0] if len(silences) else -1] + 1
        end = min(max(int(over) * MOMENT + FADING, begin + SHORTEST), max(stop, reach))
        return min(max(int(audible[0]) * MOMENT - FADING, begin), end - SHORTEST), end


def _quantile(levels: Levels, share: float) -> float:
    """NumPy's "lower" quantile, in a twentieth of its time: a step asks for two of each word."""
    place = int(share * (len(levels) - 1))
    return float(np.partition(levels, place)[place])
