"""Channels to one, and floats of any scale to ±1: what every decoder needs and none has of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wlkd.contract.errors import BadParameter
from wlkd.contract.types import Note, Samples

BLOCK = 1600
"""Samples that are judged and mixed alike: a tenth of a second. However the bytes are cut, blocks begin at the same
places, so that the same recording is always mixed to the same samples."""
MEMORY = 0.9
"""What earlier blocks weigh in the next: a second and a half of speech decides."""
CANCELLING = -0.5
"""Correlation below which channels cancel rather than add up: they would lose more than half of their power."""
QUIET = 1e-3
"""Power, beside the loudest channel's, below which one of many channels holds nothing: -30 dB."""

MAX_APART = 8
"""Channels of a recording that are heard apart, at most: each is a session."""
HOT = 1.5
"""Peak up to which floats beyond ±1 are clipped: decoders and mixers overshoot by that much."""
HOTTEST = 100.0
"""Peak up to which floats beyond ±1 are made quieter: recorders that write floats leave the level to later, and a shout
may be 30 dB above it. Beyond are integers: 16-bit ones that stay below are silence."""
SCALES = (2.0**15, 2.0**23, 2.0**31)
"""Full scales of integers that were written as floats."""
OUTLIERS = 16
"""So many samples of a block may be wild without telling anything of the others' scale."""
WILD = 2.0**32
"""No recording holds samples beyond: they come of damage."""

Channels = NDArray[np.float32]
"""Shape (n, channels)."""


class Mono:
    """One stream's channels to one.

    The mean of all channels; those that cancel others are turned over first, and where there are more than two, those
    that hold nothing do not count. So speech that is on one channel only is never lost. `floats`: the samples come
    as floats from the client, whose scale is found out.
    """

    def __init__(self, channels: int, *, floats: bool = False, only: int | None = None, last: bool = False) -> None:
        """`only`: nothing is mixed, that channel is heard; `last`: and nobody hears those behind it. Raises
        `BadParameter` where there is none."""
        left_out: list[Note] = []
        if only is not None:
            if only >= channels:
                raise BadParameter("channels", f"there is no channel {only}: the audio has {channels}, counted from 0")
            if last and only + 1 < channels:
                left_out = [
                    Note("channels", f"the first {only + 1} of {channels} channels are heard; {_remedy(channels)}")
                ]
            channels = 1
        self._only = only
        self._channels = channels
        self._whole = channels == 1 and not floats
        """Nothing to judge: samples go through as they come."""
        self._scale = Scale() if floats else None
        self._held = np.zeros((0, channels), np.float32)
        self._covariance = np.zeros((channels, channels))
        self._signs = np.ones(channels)
        self._weights: NDArray[np.float64] | None = None
        self._turned = False
        self._notes = [Note("channels", f"{channels} channels are mixed to one")] if channels > 1 else left_out

    def mix(self, samples: Channels) -> Samples:
        """What `samples` complete."""
        if self._only is not None:
            samples = samples[:, self._only : self._only + 1]
        if self._whole:
            return finite(samples[:, 0])
        held = np.concatenate([self._held, samples]) if len(self._held) else samples
        blocks = len(held) // BLOCK
        self._held = held[blocks * BLOCK :].copy()
        parts = [self._block(held[at * BLOCK : (at + 1) * BLOCK]) for at in range(blocks)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def rest(self) -> Samples:
        """What was held back. What follows begins a new block."""
        held, self._held = self._held, self._held[:0]
        return self._block(held) if len(held) else np.zeros(0, np.float32)

    def take_notes(self) -> list[Note]:
        """What a client should know of the mix, and was not told yet."""
        notes, self._notes = self._notes, []
        return notes + (self._scale.take_notes() if self._scale is not None else [])

    def _block(self, block: Channels) -> Samples:
        block = self._scale.fit(block) if self._scale is not None else finite(block)
        if self._channels == 1:
            return block[:, 0]
        now = self._weigh(block)
        before = now if self._weights is None else self._weights
        self._weights = now
        if np.array_equal(before, now):
            mixed = block @ now
        else:
            # From one mix to the next without a click.
            fade = np.linspace(0.0, 1.0, len(block))
            mixed = (block @ before) * (1 - fade) + (block @ now) * fade
        return np.asarray(mixed, np.float32)

    def _weigh(self, block: Channels) -> NDArray[np.float64]:
        wide = block.astype(np.float64)
        self._covariance = MEMORY * self._covariance + wide.T @ wide
        powers = np.diag(self._covariance)
        order = np.argsort(-powers, kind="stable")
        for place, channel in enumerate(order[1:], start=1):
            louder = order[:place]
            together = self._signs[louder] @ self._covariance[louder, channel]
            power = float(self._signs[louder] @ self._covariance[np.ix_(louder, louder)] @ self._signs[louder])
            scale = float(np.sqrt(max(power, 0.0) * float(powers[channel])))
            if scale > 0 and self._signs[channel] * together / scale < CANCELLING:
                self._signs[channel] *= -1
                self._note_turned()
        heard = max(int(np.count_nonzero(powers > QUIET * powers.max())), 1) if self._channels > 2 else self._channels
        return self._signs / heard

    def _note_turned(self) -> None:
        if not self._turned:
            self._turned = True
            self._notes.append(
                Note("channels", "channels that cancel each other are turned over before they are mixed")
            )


def _remedy(channels: int) -> str:
    if channels > MAX_APART:
        return f"at most {MAX_APART} can be told apart, by channels={MAX_APART}"
    return f"channels={channels} has all of them"


class Scale:
    """Floats to ±1, whatever their writer took for full scale. Grows only; what is not a number becomes silence."""

    def __init__(self) -> None:
        self._full = 1.0
        self._notes: list[Note] = []
        self._not_numbers = False

    def fit(self, block: Channels) -> Channels:
        """`block` at its scale. Found by the block itself and those before."""
        wild = ~(np.abs(block) < WILD)
        if wild.any():
            if not self._not_numbers:
                self._not_numbers = True
                self._notes.append(Note("level", "samples that are not numbers are taken for silence"))
            block = np.where(wild, np.float32(0), block)
        if self._full == 1.0 and np.isin(np.abs(block), (0.0, 1.0)).all():
            # Floats that are cut off at full scale, or the last bit of integers: no speech either way, nor a scale.
            return np.zeros_like(block)
        self._judge(block)
        return np.asarray(np.clip(block / np.float32(self._full), -1.0, 1.0), np.float32)

    def take_notes(self) -> list[Note]:
        """What a client should know of the scale, and was not told yet."""
        notes, self._notes = self._notes, []
        return notes

    def _judge(self, block: Channels) -> None:
        loud = np.abs(block).ravel()
        if len(loud) > OUTLIERS:
            loud = np.partition(loud, -OUTLIERS - 1)[:-OUTLIERS]
        peak = float(loud.max(initial=0.0))
        whole = self._full == 1.0 and peak >= 1.0 and bool(np.all(block == np.rint(block)))
        if peak <= HOT * self._full and not whole:
            return
        if peak <= HOTTEST and not whole:
            self._full = peak
            self._notes.append(Note("level", f"floats beyond ±1 are made quieter: full scale is {peak:.2g}"))
        else:
            self._full = next((scale for scale in SCALES if peak <= HOT * scale), WILD)
            self._notes.append(
                Note("level", f"floats far beyond ±1 are taken for integers: full scale is {self._full:.0f}")
            )


def finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """`samples`, with silence in place of values that are not numbers."""
    bad = ~np.isfinite(samples)
    return np.where(bad, np.float32(0), samples) if bad.any() else samples
