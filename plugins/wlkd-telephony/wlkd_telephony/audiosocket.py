"""Asterisk's AudioSocket: frames of a kind, a length and a payload on a TCP connection.

Source: the protocol's description in CyCoreSystems/audiosocket, Asterisk's res_audiosocket, and what Asterisk 22.10
sends. No I/O here.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from wlkd import Code, SessionError
from wlkd_telephony.real_time import Raw

HEADER = struct.Struct(">BH")
HANGUP, IDENTITY, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Signed linear audio by kind, in Hz; Asterisk before 20.17 knows the first only."""
KINDS = {rate: kind for kind, rate in RATES.items()}


@dataclass(frozen=True, slots=True)
class Identity:
    """Which call this is."""

    call: str


@dataclass(frozen=True, slots=True)
class Audio:
    """16-bit little-endian samples."""

    rate: int
    samples: bytes

    @property
    def raw(self) -> Raw:
        return Raw("s16le", self.rate)

    @property
    def silence(self) -> bytes:
        """A frame of silence of the same length."""
        return HEADER.pack(KINDS[self.rate], len(self.samples)) + bytes(len(self.samples))


SILENCE = Audio(8_000, bytes(320)).silence
"""20 ms, as every Asterisk understands it."""
GOODBYE = HEADER.pack(HANGUP, 0)


class Hangup:
    """The call is over."""


Event = Identity | Audio | Hangup


class Frames:
    """Bytes cut anywhere to events."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """What `data` completes. Raises `SessionError` for a frame that is none."""
        self._held += data
        while len(self._held) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._held)
            if len(self._held) < HEADER.size + length:
                return
            payload = self._held[HEADER.size : HEADER.size + length]
            self._held = self._held[HEADER.size + length :]
            event = _event(kind, payload)
            if event is not None:
                yield event


def _event(kind: int, payload: bytes) -> Event | None:
    if kind in RATES:
        return Audio(RATES[kind], payload)
    match kind:
        case 0x01 if len(payload) == 16:
            return Identity(str(uuid.UUID(bytes=payload)))
        case 0x00 | 0xFF:
            return Hangup()
        case 0x03:
            return None
    raise SessionError(Code.BAD_REQUEST, f"a frame of kind 0x{kind:02x} is not known; is this Asterisk's AudioSocket?")
