"""The stretch of speech that a recognizer is working on: speech joined, silence left out, places remembered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wlkd.contract.audio import samples
from wlkd.contract.types import Frame, Samples

SLOPE = samples(0.1)
"""The end of a word that the VAD takes for silence."""


def _no_samples() -> Samples:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Window:
    """Speech joined, with less of the silence in between or none; knows where each sample was in the session."""

    samples: Samples = field(default_factory=_no_samples)
    marks: tuple[tuple[int, int], ...] = ()
    """(offset in the window, sample index in the session) of each stretch that had no gap, ascending."""
    pauses: tuple[tuple[int, int], ...] = ()
    """Where it is silent because speech paused: offsets, from and to, ascending."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def end(self) -> int:
        """Session index behind the last sample."""
        return self.session_index(len(self.samples))

    @property
    def speech(self) -> int:
        """Samples of it that are not silent."""
        return len(self) - sum(loud - silent for silent, loud in self.pauses)

    def session_index(self, offset: int) -> int:
        """The session index of the sample at `offset`."""
        if not self.marks:
            return 0
        place = max(bisect_right(self.marks, offset, key=lambda mark: mark[0]) - 1, 0)
        at, index = self.marks[place]
        return index + offset - at

    def offset(self, index: int) -> int:
        """The window offset of the session's sample `index`; the nearest one when it is not in the window."""
        place = bisect_right(self.marks, index, key=lambda mark: mark[1]) - 1
        if place < 0:
            return 0
        at, start = self.marks[place]
        stop = self.marks[place + 1][0] if place + 1 < len(self.marks) else len(self.samples)
        return min(at + index - start, stop)

    def spoken(self, start: int, end: int) -> tuple[int, int]:
        """Session indices of a word that a model puts between two offsets; it gives pauses to one of the words beside
        them."""
        for silent, loud in self.pauses:
            # On one side of the pause is the word, on the other what little the model is off by.
            if start < silent < end and silent - start >= end - loud:
                end = silent
            elif start < loud < end:
                start = loud
        return self.session_index(start), self.session_index(end)

    def extended(self, frames: Sequence[Frame]) -> Window:
        """This window and `frames` behind it."""
        if not frames:
            return self
        length, marks, end = len(self), list(self.marks), self.end if self.marks else None
        for frame in frames:
            if frame.start != end:
                marks.append((length, frame.start))
            length, end = length + len(frame.samples), frame.end
        audio = np.concatenate([self.samples, *(frame.samples for frame in frames)])
        return replace(self, samples=audio, marks=tuple(marks))

    def paused(self, length: int) -> Window:
        """With `length` samples of silence behind it."""
        audio = np.concatenate([self.samples, np.zeros(length, dtype=np.float32)])
        return replace(self, samples=audio)._quiet_from(len(self)) if length else self

    def quiet_after(self, index: int) -> Window:
        """With a pause from the session's sample `index` on, where the VAD says that speech ends."""
        return self._quiet_from(self.offset(index) + SLOPE)

    def _quiet_from(self, silent: int) -> Window:
        """With a pause from the offset `silent` to the end."""
        if silent >= len(self):
            return self
        before = tuple(pause for pause in self.pauses if pause[1] < silent)
        first = min([silent, *(pause[0] for pause in self.pauses if pause[1] >= silent)])
        return replace(self, pauses=(*before, (first, len(self))))

    def followed(self, window: Window) -> Window:
        """With `window` behind it."""
        length = len(self)
        marks = ((length + at, index) for at, index in window.marks)
        pauses = ((length + silent, length + loud) for silent, loud in window.pauses)
        audio = np.concatenate([self.samples, window.samples])
        return Window(audio, (*self.marks, *marks), (*self.pauses, *pauses))

    def part(self, start: int, stop: int) -> Window:
        """What is between two offsets."""
        if not self.marks:
            return self
        later = ((at - start, index) for at, index in self.marks if start < at < stop)
        pauses = (
            (max(silent, start) - start, min(loud, stop) - start)
            for silent, loud in self.pauses
            if silent < stop and loud > start
        )
        return Window(self.samples[start:stop].copy(), ((0, self.session_index(start)), *later), tuple(pauses))

    def after(self, index: int) -> Window:
        """What is left from the session's sample `index` on."""
        return self.part(self.offset(index), len(self))
