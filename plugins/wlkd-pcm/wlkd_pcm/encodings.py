"""Raw sample encodings, each as a function from bytes to floats, integers to ±1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wlkd import Samples

CODES = np.arange(256)


def _mulaw_table() -> Samples:
    """ITU-T G.711, table 2: the value of each mu-law code, shape (256,). All bits come inverted."""
    code = ~CODES & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((step << 3) + 0x84 << segment) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768).astype(np.float32)


def _alaw_table() -> Samples:
    """ITU-T G.711, table 1: the value of each A-law code, shape (256,). Even bits come inverted."""
    code = CODES ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, (step << 4) + 0x108 << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / 32768).astype(np.float32)


def _table(values: Samples) -> Callable[[bytes], Samples]:
    return lambda data: values[np.frombuffer(data, dtype=np.uint8)]


def _integers(dtype: str, full_scale: float) -> Callable[[bytes], Samples]:
    return lambda data: (np.frombuffer(data, dtype=dtype) / full_scale).astype(np.float32)


def _s24(order: tuple[int, int, int]) -> Callable[[bytes], Samples]:
    """Three bytes a sample; `order` holds the places of the least, middle and most significant one."""

    def decode(data: bytes) -> Samples:
        octets = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        wide = np.zeros((len(octets), 4), dtype=np.uint8)
        # The upper three bytes of an int32 carry the sign along.
        wide[:, 1:] = octets[:, order]
        signed: NDArray[np.int32] = wide.view("<i4")[:, 0]
        return (signed / 2.0**31).astype(np.float32)

    return decode


def _floats(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _unsigned(data: bytes) -> Samples:
    return np.frombuffer(data, dtype=np.uint8).astype(np.float32) / np.float32(128) - np.float32(1)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one sample is written."""

    width: int
    """Bytes."""
    decode: Callable[[bytes], Samples]
    """Whole samples to floats, channels still interleaved."""
    floats: bool = False
    """Their scale is the client's, and they may be no numbers."""


ENCODINGS = {
    "s16le": Encoding(2, _integers("<i2", 2.0**15)),
    "s16be": Encoding(2, _integers(">i2", 2.0**15)),
    "s24le": Encoding(3, _s24((0, 1, 2))),
    "s24be": Encoding(3, _s24((2, 1, 0))),
    "s32le": Encoding(4, _integers("<i4", 2.0**31)),
    "f32le": Encoding(4, _floats, floats=True),
    "u8": Encoding(1, _unsigned),
    "mulaw": Encoding(1, _table(_mulaw_table())),
    "alaw": Encoding(1, _table(_alaw_table())),
}
