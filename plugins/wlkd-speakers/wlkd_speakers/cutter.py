"""Cuts what the VAD passes on into cells, each with the voice of what was heard around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wlkd import Frame, Samples
from wlkd_speakers.cells import CELL, Cell
from wlkd_speakers.fbank import MEL_BINS, STEP, WINDOW, Features, fbank
from wlkd_speakers.voices import Vector

ROWS = CELL // STEP
"""Features of one cell."""
LEAST_SPOKEN = 8
"""Features in a cell that make it one in which somebody speaks."""
LEAST_HEARD = 60
"""Audible features around a cell that its voice needs: 0.6 s."""
SILENCE = 9.0
"""Features so far below the loudest around them, as a mean over their log energies (39 dB), are silence: what the VAD
passes on before and after words tells nothing about a voice, and does not count as heard."""
PAUSE_AROUND, PAUSE_ROWS = 30, 22
"""A cell begins at a pause if so many features are missing among so many on both sides of its beginning."""


class Network(Protocol):
    """What makes voices of features; `Embedder` is one."""

    def voice(self, features: Features) -> Vector:
        """The voice in `features`, shape (n, 80), of length 1."""


def voices_in(network: Network, speech: Samples) -> list[Vector]:
    """A voice for each half second of `speech`, which is one person's; at least one, however quiet most of it is."""
    cutter = Cutter(network)
    cells = [*cutter.feed(Frame(0, speech)), *cutter.flush()]
    return [cell.voice for cell in cells if cell.voice is not None] or [network.voice(fbank(speech))]


class Cutter:
    """Of one stream. Holds two seconds of features, however long the stream."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tail: Samples = np.zeros(0, np.float32)
        """Samples of the present stretch of speech that later features still need."""
        self._tail_start = 0
        self._rows: Features = np.zeros((0, MEL_BINS), np.float32)
        self._places: NDArray[np.int64] = np.zeros(0, np.int64)
        """Place of each row, in steps of 10 ms from the session's first sample."""
        self._next = 0
        """The cell that comes next."""

    @property
    def heard(self) -> int:
        """Sample index up to which speech was taken."""
        return self._tail_start + len(self._tail)

    def feed(self, frame: Frame) -> Iterator[Cell]:
        """Take speech; yields the cells whose surroundings are complete."""
        if frame.start != self.heard:
            yield from self.flush()
            self._tail_start = -(-frame.start // STEP) * STEP
            self._tail = frame.samples[self._tail_start - frame.start :]
            self._next = max(self._next, frame.start // CELL)
        else:
            self._tail = np.concatenate([self._tail, frame.samples])
        self._listen()
        while self.heard >= (self._next + 2) * CELL:
            yield from self._cut()

    def flush(self, end: int | None = None) -> Iterator[Cell]:
        """The cells of everything heard so far: no more will come around them.

        `end`: session index where speech ended. What was heard behind it is silence, and forgotten: whoever speaks next
        may do so in the same half second."""
        if end is not None and end < self.heard:
            spoken = self._places < end // STEP
            self._rows, self._places = self._rows[spoken], self._places[spoken]
            self._tail, self._tail_start = self._tail[:0], end
        while self.heard - self._next * CELL >= LEAST_SPOKEN * STEP:
            yield from self._cut()

    def _listen(self) -> None:
        """Features of the tail, as far as they go."""
        rows = fbank(self._tail)
        first = self._tail_start // STEP
        self._rows = np.concatenate([self._rows, rows])
        self._places = np.concatenate([self._places, np.arange(first, first + len(rows))])
        self._tail_start += len(rows) * STEP
        self._tail = self._tail[len(rows) * STEP :]

    def _cut(self) -> Iterator[Cell]:
        """The next cell, if somebody speaks in it."""
        begin = self._next * ROWS
        spoken = self._between(begin, begin + ROWS).sum()
        if spoken >= LEAST_SPOKEN:
            # The last two features of a window of 1.5 s would hear beyond it.
            around = self._between(begin - ROWS, begin + 2 * ROWS - (WINDOW - STEP) // STEP - 1)
            rows = self._rows[around]
            loudness = rows.mean(axis=1)
            heard = int((loudness > loudness.max() - SILENCE).sum())
            voice = self._network.voice(rows) if heard >= LEAST_HEARD else None
            missing = 2 * PAUSE_AROUND - self._between(begin - PAUSE_AROUND, begin + PAUSE_AROUND).sum()
            yield Cell(self._next, voice, heard * STEP, bool(missing >= PAUSE_ROWS))
        self._next += 1
        needed = self._places >= (self._next - 1) * ROWS
        self._rows, self._places = self._rows[needed], self._places[needed]

    def _between(self, begin: int, end: int) -> NDArray[np.bool_]:
        return (self._places >= begin) & (self._places < end)
