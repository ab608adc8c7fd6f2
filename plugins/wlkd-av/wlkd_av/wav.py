"""WAV headers, read here because libav wants 64 KiB of samples before it believes one: 2 s of live speech."""

from __future__ import annotations

import struct
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
LAYOUTS = {1: "mono", 2: "stereo"}
MAX_CHUNKS = 1000
"""Before the samples. A recording has a handful; who sends thousands wants to keep us busy."""


@dataclass(frozen=True, slots=True)
class WavSamples:
    """Where the samples of a WAV stream begin and how libav is told to read them.

    The length in the header is ignored: streams have 0, 2³²-1 or the length of their first piece there.
    """

    demuxer: str
    options: dict[str, str]
    offset: int


def wav_samples(head: bytes) -> WavSamples | None:
    """What the header of plain samples says; None where libav must look itself (codecs, many channels, errors).

    Raises `EOFError` when `head` ends before the samples begin.
    """
    at, fmt = 12, b""
    for _ in range(MAX_CHUNKS):
        if len(head) < at + 8:
            raise EOFError
        kind, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if kind == b"data":
            break
        if len(head) < at + size:
            raise EOFError
        if kind == b"fmt ":
            fmt = head[at : at + size]
        at += size + size % 2
    else:
        return None
    if len(fmt) < 16:
        return None
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == EXTENSIBLE and len(fmt) >= 26:
        # The first two bytes of the sub-format's GUID are the tag.
        tag = struct.unpack_from("<H", fmt, 24)[0]
    demuxer, layout = DEMUXERS.get((tag, bits)), LAYOUTS.get(channels)
    if demuxer is None or layout is None or block != channels * bits // 8:
        return None
    return WavSamples(demuxer, {"sample_rate": str(rate), "ch_layout": layout}, at)
