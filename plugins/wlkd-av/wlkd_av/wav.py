"""WAV headers, read here: libav wants 64 KiB of samples before it believes one, and hears what stands behind them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
DEMUXERS = {
    (PCM, 8): "u8",
    (PCM, 16): "s16le",
    (PCM, 24): "s24le",
    (PCM, 32): "s32le",
    (FLOAT, 32): "f32le",
    (FLOAT, 64): "f64le",
    (ALAW, 8): "alaw",
    (MULAW, 8): "mulaw",
}
"""Format tag and bits per sample to libav's demuxer of samples without a header."""
TURNED = {"s16le": "s16be", "s24le": "s24be", "s32le": "s32be", "f32le": "f32be", "f64le": "f64be"}
"""Of RIFX, which has the highest byte of every number first. libav reads such a header, and hears noise."""
LAYOUTS = {1: "mono", 2: "stereo"}
MAX_CHUNKS = 1000
"""Before the samples. A recording has a handful; a client that sends thousands is an attack."""
ENDLESS = 0x7FFF_0000
"""A length from here on says that its writer did not know: 2³¹-1, 2³²-1, and those less a header."""

ReadAt = Callable[[int, int], bytes]
"""Offset and size to bytes. Raises `EOFError` for what is not there."""


@dataclass(frozen=True, slots=True)
class WavSamples:
    """Where the samples of a WAV recording are and how libav is told to read them."""

    demuxer: str
    options: dict[str, str]
    offset: int
    """Where the demuxer begins to read."""
    length: int | None
    """Bytes from there to where the samples end, if the header is right. None: it does not say."""
    seconds: float | None = None
    """How long they are then, for samples of one size."""


class DescriptionBehind(Exception):
    """The samples come before what tells how to read them."""


def wav_samples(read_at: ReadAt, *, seekable: bool = False) -> WavSamples | None:
    """What the header says; None if it is not a header.

    Raises `EOFError` when the bytes end before the samples begin, and `DescriptionBehind`, unless `seekable`.
    """
    at, fmt, wide = 12, b"", 0
    turned = read_at(0, 4) == b"RIFX"
    order = ">" if turned else "<"
    data: tuple[int, int] | None = None
    for _ in range(MAX_CHUNKS):
        try:
            kind, size = struct.unpack(f"{order}4sI", read_at(at, 8))
        except EOFError:
            if data is None or not fmt:
                raise
            break
        at += 8
        if kind == b"data":
            # In RF64 the length is in the chunk ds64 (EBU Tech 3306).
            data = at, wide if size == 0xFFFF_FFFF and wide else size
            size = data[1]
        elif kind == b"fmt ":
            fmt = read_at(at, min(size, 64))
        elif kind == b"ds64":
            wide = int.from_bytes(read_at(at + 8, 8), "little")
        if data is not None and fmt:
            break
        if data is not None and not seekable:
            raise DescriptionBehind
        at += size + size % 2
    if data is None or len(fmt) < 16:
        return None
    offset, length = data
    known = length if 0 < length < ENDLESS or 0 < length == wide else None
    tag, channels, rate, _, block, bits = struct.unpack_from(f"{order}HHIIHH", fmt)
    if tag == EXTENSIBLE and len(fmt) >= 28:
        # The first number of the sub-format's GUID is the tag.
        tag = struct.unpack_from(f"{order}I", fmt, 24)[0] & 0xFFFF
    if tag == PCM:
        bits += -bits % 8  # A number of 12 or 20 bits has whole bytes, and stands at their top.
    demuxer, layout = DEMUXERS.get((tag, bits)), LAYOUTS.get(channels)
    if turned:
        demuxer, layout = TURNED.get(demuxer or "", demuxer), layout or f"{channels}C"
    if demuxer is None or layout is None or block != channels * bits // 8:
        # Codecs, many channels, errors: libav sees the header too. Only where the samples end it is not asked.
        return WavSamples("wav", {"ignore_length": "1"}, 0, None if known is None else offset + known)
    seconds = known / (rate * block) if known and rate else None
    return WavSamples(demuxer, {"sample_rate": str(rate), "ch_layout": layout}, offset, known, seconds)
