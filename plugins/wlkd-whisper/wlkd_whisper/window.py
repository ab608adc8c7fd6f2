"""The stretch of speech that a recognizer is working on: speech joined, silence left out, places remembered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wlkd.contract.types import Frame, Samples


def _no_samples() -> Samples:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Window:
    """Speech joined without the silence in between; knows where each sample was in the session."""

    samples: Samples = field(default_factory=_no_samples)
    marks: tuple[tuple[int, int], ...] = ()
    """(offset in the window, sample index in the session) of each stretch that had no gap, ascending."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def end(self) -> int:
        """Session index behind the last sample."""
        return self.session_index(len(self.samples))

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

    def extended(self, frames: Sequence[Frame]) -> Window:
        """This window and `frames` behind it."""
        if not frames:
            return self
        length, marks, end = len(self), list(self.marks), self.end if self.marks else None
        for frame in frames:
            if frame.start != end:
                marks.append((length, frame.start))
            length, end = length + len(frame.samples), frame.end
        return Window(np.concatenate([self.samples, *(frame.samples for frame in frames)]), tuple(marks))

    def after(self, index: int) -> Window:
        """What is left from the session's sample `index` on."""
        offset = self.offset(index)
        later = [(at - offset, start) for at, start in self.marks if at > offset]
        return Window(self.samples[offset:].copy(), ((0, self.session_index(offset)), *later)) if self.marks else self
