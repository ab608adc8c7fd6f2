"""`audio/basic`: mu-law without a header (RFC 2046), and what clients call a file whose name ends in `.au`.

Only the first bytes tell them apart, and a decoder is chosen before those come: so AU is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from wlkd import Decoded, DecoderStream, Restart, Samples, SessionError
from wlkd.contract.resampling import MAX_RATE, MIN_RATE
from wlkd_pcm.encodings import AU_ENCODINGS
from wlkd_pcm.formats import MAX_CHANNELS, Format

EMPTY: Samples = np.zeros(0, dtype=np.float32)
MAGIC = b".snd"
HEADER = struct.Struct(">4s5I")
"""Magic, where the samples begin, their length in bytes, encoding, sample rate, channels."""
MAX_OFFSET = 1 << 16
"""Where the samples begin at the latest: there may be a remark between the header and them."""


class BasicStream(DecoderStream):
    """Waits for the bytes that tell what it is."""

    def __init__(self, headerless: Format, open: Callable[[Format], DecoderStream]) -> None:
        self._headerless = headerless
        self._open = open
        self._head = b""
        self._offset = 0
        """Bytes before the samples."""
        self._stream: DecoderStream | None = None

    def feed(self, data: bytes) -> Samples | Iterable[Decoded]:
        if self._stream is not None:
            return self._stream.feed(data)
        self._head += data
        if len(self._head) < len(MAGIC):
            return EMPTY
        fmt: Format | None = self._headerless
        if self._head.startswith(MAGIC):
            fmt = self._described()
        if fmt is None:
            return EMPTY
        self._stream, samples, self._head = self._open(fmt), self._head[self._offset :], b""
        return self._stream.feed(samples)

    def finish(self) -> Samples | Iterable[Decoded]:
        if self._stream is not None:
            return self._stream.finish()
        if self._head.startswith(MAGIC):
            raise _undecodable("it ends before its samples")
        return EMPTY

    def restarts(self) -> Sequence[Restart]:
        found = () if self._stream is None else self._stream.restarts()
        return [Restart(self._offset, self._offset + one.offset_bytes, one.at) for one in found]

    def _described(self) -> Format | None:
        """What the header says, once everything before the samples is there."""
        if len(self._head) < HEADER.size:
            return None
        _, self._offset, _, code, rate, channels = HEADER.unpack_from(self._head)
        encoding = AU_ENCODINGS.get(code)
        if encoding is None or not MIN_RATE <= rate <= MAX_RATE or not 1 <= channels <= MAX_CHANNELS:
            raise _undecodable(f"encoding {code} with {channels} channels at {rate} Hz is not known here")
        if not HEADER.size <= self._offset <= MAX_OFFSET:
            raise _undecodable(f"its samples cannot begin at byte {self._offset}")
        return Format(encoding, rate, channels) if len(self._head) >= self._offset else None


def _undecodable(reason: str) -> SessionError:
    return SessionError("undecodable_audio", f"the AU recording cannot be decoded: {reason}")
