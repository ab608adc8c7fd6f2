"""How busy the inference thread has been, and how much speech it got through."""

from __future__ import annotations

import math

BUSY_SECONDS = 5.0
"""Horizon of the busy ratios: long against a batch, short against a speaker's turn."""
THROUGHPUT_SECONDS = 30.0
"""Horizon of the throughput: long against the moments in which everybody speaks, or nobody."""


class Share:
    """The share of recent time in which something went on: a mean that forgets exponentially."""

    def __init__(self, horizon: float) -> None:
        self._horizon = horizon
        self._value = 0.0
        self._at = 0.0

    def add(self, began: float, ended: float) -> None:
        """It went on from `began` to `ended`; calls come in the order of time."""
        self._value = self.at(ended, since=began)
        self._at = ended

    def at(self, now: float, since: float | None = None) -> float:
        """The share as of `now`, 0 to 1. `since`: it has been going on from there to `now`."""
        faded = self._value * math.exp((self._at - now) / self._horizon)
        return faded if since is None else faded + 1 - math.exp((since - now) / self._horizon)


class Load:
    """What the worker knows about its thread. Times are seconds on one monotonic clock, speech in seconds."""

    def __init__(self) -> None:
        self._all = Share(BUSY_SECONDS)
        self._live = Share(BUSY_SECONDS)
        self._spent = 0.0
        self._speech = 0.0
        self._at = 0.0
        self._running: tuple[float, bool] | None = None

    @property
    def running_since(self) -> float | None:
        """When the running batch began; None: the thread is free."""
        return None if self._running is None else self._running[0]

    def begin(self, now: float, *, live: bool) -> None:
        """A batch begins; `live`: live streams are in it."""
        self._running = (now, live)

    def end(self, now: float, speech: float) -> float:
        """The batch is over, having taken `speech` seconds of new speech. Returns how long it took."""
        assert self._running is not None
        began, live = self._running
        self._running = None
        self._all.add(began, now)
        if live:
            self._live.add(began, now)
            fade = math.exp((self._at - now) / THROUGHPUT_SECONDS)
            self._spent = self._spent * fade + now - began
            self._speech = self._speech * fade + speech
            self._at = now
        return now - began

    def busy(self, now: float) -> float:
        """Share of recent time spent in inference, 0 to 1."""
        return self._all.at(now, self.running_since)

    def live_busy(self, now: float) -> float:
        """The same, batches of uploads alone left out: they make room for whoever speaks."""
        return self._live.at(now, self.running_since if self._running and self._running[1] else None)

    @property
    def evidence(self) -> float:
        """Seconds of inference that `throughput` rests on; fades with time."""
        return self._spent

    @property
    def throughput(self) -> float:
        """Seconds of speech per second of inference, in recent batches with live streams. 0: there were none."""
        return self._speech / self._spent if self._spent else 0.0
