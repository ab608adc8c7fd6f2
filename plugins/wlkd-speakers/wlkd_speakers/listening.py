"""A second ear, for the moments around a change of speaker: what the network of `segmentation` hears there."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wlkd import Frame, Samples
from wlkd.contract.audio import samples
from wlkd_speakers.segmentation import HEARD, SETS, STEP

LIKELY = 0.5
"""Somebody speaks, or two do, where the network thinks so."""
AROUND = samples(5.0)
"""What it hears at once. In 10 s it finds no more, in 3 s less."""
LEAST = samples(1.0)
"""It needs as much to say anything."""
BEHIND = samples(1.15)
"""Of that, what lies behind the time that is asked about: what a live stream has heard when a cell is decided."""
NEAR = samples(0.75)
"""A change is so near to where the voices' change was found."""
SURELY = samples(0.4)
"""So far from there, and farther, only the one, or only the other, is taken to speak."""
BEFORE, AFTER = samples(1.5), BEHIND
"""As far as that, it listens for which of its voices they are."""

VOICES = np.array([[voice in speakers for voice in range(3)] for speakers in SETS], np.float32)
TWO = np.array([len(speakers) == 2 for speakers in SETS])

Span = tuple[int, int]
"""Session indexes: from, to."""


class Network(Protocol):
    """Hears who speaks in a stretch of sound; `Segmenter` does."""

    def speakers(self, sound: Samples) -> NDArray[np.float32]:
        """How likely it is each of `SETS` who speaks, for each answer of the network to `sound`."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the network says of a stretch of sound."""

    first: int
    """Session index of the first answer; others follow, each `STEP` later."""
    likely: NDArray[np.float32]
    """Of each of `SETS`, shape (answers, 7)."""

    def two_between(self, start: int, end: int) -> list[Span]:
        """Where two speak at once, from `start` to `end`."""
        two = self.likely[:, TWO].sum(axis=1) > LIKELY
        edges = np.flatnonzero(np.diff(two.astype(np.int8), prepend=0, append=0))
        places = self.first - STEP // 2 + edges * STEP
        spans = [(max(int(one), start), min(int(other), end)) for one, other in places.reshape(-1, 2)]
        return [span for span in spans if span[0] < span[1]]

    def change(self, at: int, since: int) -> int:
        """When the speaker changes who changes at about `at`, and spoke from `since`: `at`, unless the one speaks on
        alone behind it, or the other speaks alone before it."""
        times = self.first + STEP * np.arange(len(self.likely))
        speaks = self.likely @ VOICES
        before = speaks[(times >= max(at - BEFORE, since)) & (times < at - SURELY)]
        after = speaks[(times >= at + SURELY) & (times < at + AFTER)]
        if not (len(before) and len(after)):
            return at
        one, other = int(before.mean(axis=0).argmax()), int(after.mean(axis=0).argmax())
        around = np.abs(times - at) <= NEAR
        goes_on = times[around & (speaks[:, one] > LIKELY)]
        has_begun = times[around & (speaks[:, other] > LIKELY)]
        if one == other or not (len(goes_on) and len(has_begun)):
            return at
        earliest, latest = sorted((int(goes_on[-1]), int(has_begun[0])))
        return min(max(at, earliest), latest)


class Ears:
    """What one stream heard of late."""

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

    def listen(self, start: int, end: int) -> Heard | None:
        """To what was heard from `start` to `end` and around it. None: too little was."""
        stop = min(end + BEHIND, self.heard)
        begin = max(min(start, stop - AROUND), self._frames[0].start if self._frames else stop)
        if stop - begin < LEAST:
            return None
        return Heard(begin + HEARD // 2, self._network.speakers(_sound(self._frames, begin, stop)))


def _sound(frames: Sequence[Frame], start: int, end: int) -> Samples:
    """What is in `frames` from `start` to `end`, silence where the VAD passed nothing on."""
    sound = np.zeros(end - start, np.float32)
    for frame in frames:
        first, last = max(frame.start, start), min(frame.end, end)
        if first < last:
            sound[first - start : last - start] = frame.samples[first - frame.start : last - frame.start]
    return sound
