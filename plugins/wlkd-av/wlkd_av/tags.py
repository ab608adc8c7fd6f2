"""What stands before, behind and between recordings, and is none: tags, chunks of RIFF, padding."""

from __future__ import annotations

import re

NEEDED_BYTES = 32
"""Enough of the beginning to tell the length of each."""
REST = 1 << 62
"""As a length: to the end."""

CHUNK = re.compile(rb"[A-Za-z0-9_ ]{4}")


def tag_length(data: bytes) -> int:
    """Bytes of the tag that `data` begins with; 0: it begins with none."""
    if data.startswith(b"ID3") and len(data) >= 10 and max(data[6:10]) < 0x80:
        # ID3v2.4, 3.1: seven bits a byte; 0x10: the header stands at the end again.
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        return 10 + size + (10 if data[5] & 0x10 else 0)
    if data.startswith(b"APETAGEX") and len(data) >= 24:
        is_header = len(data) >= 24 and data[23] & 0x20
        return int.from_bytes(data[12:16], "little") + 32 if is_header else 32
    if data.startswith(b"LYRICSBEGIN"):
        return REST
    return 0


def behind_length(data: bytes) -> int:
    """Bytes of the tag behind a recording that `data` begins with; 0: it begins with none."""
    return 128 if data.startswith(b"TAG") else tag_length(data)


def chunk_length(data: bytes) -> int:
    """Bytes of the RIFF chunk that `data` begins with; 0: it begins with none."""
    if len(data) < 8 or not CHUNK.match(data) or data.startswith((b"RIFF", b"RIFX", b"RF64")):
        return 0
    size = int.from_bytes(data[4:8], "little")
    return 8 + size + size % 2 if size < 1 << 31 else 0
