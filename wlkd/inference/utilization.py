"""How busy the inference threads have been, and how much speech they got through."""

from __future__ import annotations

import math
from dataclasses import dataclass

BUSY_SECONDS = 5.0
"""Horizon of the busy ratios: long against a batch, short against a speaker's turn."""
THROUGHPUT_SECONDS = 30.0
"""Horizon of the throughput: long against the moments in which everybody speaks, or nobody."""


class Share:
    """The mean of a level over recent time, which forgets exponentially."""

    def __init__(self, horizon: float) -> None:
        self._horizon = horizon
        self._mean = 0.0
        self._level = 0.0
        self._at = 0.0

    def change(self, level: float, now: float) -> None:
        """The level is `level` from `now` on; calls come in the order of time."""
        self._mean = self.at(now)
        self._level = level
        self._at = now

    def at(self, now: float) -> float:
        """The mean as of `now`."""
        fade = math.exp((self._at - now) / self._horizon)
        return self._mean * fade + self._level * (1 - fade)


@dataclass(frozen=True, eq=False)
class Running:
    """A batch at the backend."""

    since: float
    live: bool
    """Live streams are in it."""


class Load:
    """What the worker knows about its threads. Times are seconds on one monotonic clock, speech in seconds."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._running: set[Running] = set()
        self._all = Share(BUSY_SECONDS)
        self._live = Share(BUSY_SECONDS)
        self._spent = 0.0
        self._speech = 0.0
        self._at = 0.0

    @property
    def running_since(self) -> float | None:
        """When the oldest running batch began; None: all threads are free."""
        return min((batch.since for batch in self._running), default=None)

    def begin(self, now: float, *, live: bool) -> Running:
        """A batch begins; `live`: live streams are in it."""
        batch = Running(now, live)
        self._account(now)
        self._running.add(batch)
        self._level(now)
        return batch

    def end(self, batch: Running, now: float, speech: float) -> float:
        """`batch` is over, having taken `speech` seconds of new speech. Returns how long it took."""
        self._account(now)
        self._running.remove(batch)
        self._level(now)
        if batch.live:
            self._speech += speech
        return now - batch.since

    def _account(self, now: float) -> None:
        """Bring the throughput's sums to `now`."""
        fade = math.exp((self._at - now) / THROUGHPUT_SECONDS)
        self._speech *= fade
        self._spent *= fade
        if any(batch.live for batch in self._running):
            self._spent += now - self._at
        self._at = now

    def _level(self, now: float) -> None:
        self._all.change(len(self._running) / self._threads, now)
        self._live.change(sum(batch.live for batch in self._running) / self._threads, now)

    def busy(self, now: float) -> float:
        """Share of the threads' recent time spent in inference, 0 to 1."""
        return self._all.at(now)

    def live_busy(self, now: float) -> float:
        """The same without batches that hold only uploads, because those make room for live streams."""
        return self._live.at(now)

    @property
    def evidence(self) -> float:
        """Seconds with inference for live streams that `throughput` rests on; fades with time."""
        return self._spent

    @property
    def throughput(self) -> float:
        """Seconds of speech per second in which inference for live streams went on, on however many threads. 0: there
        was none."""
        return self._speech / self._spent if self._spent else 0.0
