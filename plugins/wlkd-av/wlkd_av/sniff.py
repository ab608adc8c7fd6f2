"""What the first bytes of a stream say about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from wlkd_av.wav import wav_samples

EBML_MAGIC = b"\x1aE\xdf\xa3"

WEBM_HEADER = re.compile(
    re.escape(EBML_MAGIC)
    # The header's size, one to eight bytes (RFC 8794, section 6), as told by its leading zero bits,
    + b"(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f].{2}|[\x10-\x1f].{3}"
    + b"|[\x08-\x0f].{4}|[\x04-\x07].{5}|[\x02\x03].{6}|\x01.{7})"
    # and EBMLVersion 1, which every recorder writes first. The magic alone comes up by chance in an hour of Opus
    # once in a hundred times; with this it does not.
    + re.escape(b"\x42\x86\x81\x01"),
    re.DOTALL,
)
MP4_HEADER = re.compile(rb"\x00\x00\x00[\x08-\xff]ftyp")
WAV_HEADER = re.compile(rb"RIFF.{4}WAVE", re.DOTALL)
HEADERS = {"matroska": WEBM_HEADER, "mp4": MP4_HEADER, "wav": WAV_HEADER}
"""What begins a new container in mid-stream, where libav would not notice: a recorder stopped and started again."""
MAX_HEADER_BYTES = 16
"""The longest match of all of them."""

SIGNATURE_BYTES = 12
"""Enough for every signature below."""

MAX_BOXES = 1000
"""Of an MP4 header. A recording has a dozen before its index; who sends thousands wants to keep us busy."""

SIGNATURES = (
    (0, EBML_MAGIC, "matroska"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (8, b"WAVE", "wav"),
    (4, b"ftyp", "mp4"),
    (4, b"styp", "mp4"),
)
"""Offset, bytes, and libav's name of the demuxer. What is not here libav recognises itself, from more bytes."""

OTHER_THINGS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"#EXTM3U", "a playlist"),
    (b"<", "markup text"),
    (b"{", "JSON text"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """How libav is to be opened."""

    format: str | None
    """libav's name of the demuxer; None: let libav look at more of the stream."""
    options: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    """Bytes of header that the demuxer does without."""
    restart: re.Pattern[bytes] | None = None
    """Begins another container of this kind."""


class Wait(Enum):
    """What a choice has to wait for."""

    MORE = auto()
    WHOLE_FILE = auto()


def choose(head: bytes) -> Choice | Wait:
    """The demuxer for a stream that begins with `head`."""
    if len(head) < SIGNATURE_BYTES:
        return Wait.MORE
    name = container_format(head)
    choice = Choice(name, restart=HEADERS.get(name or ""))
    if name == "mp4":
        index_first = mp4_index_first(head)
        if index_first is None:
            return Wait.MORE
        return choice if index_first else Wait.WHOLE_FILE
    if name == "wav":
        try:
            samples = wav_samples(head)
        except EOFError:
            return Wait.MORE
        if samples is not None:
            return replace(choice, format=samples.demuxer, options=samples.options, offset=samples.offset)
    return choice


def container_format(head: bytes) -> str | None:
    """libav's name of the container that begins with `head`; None: let libav look at more of it."""
    for offset, signature, name in SIGNATURES:
        if head.startswith(signature, offset):
            return name
    return None


def describe(head: bytes) -> str:
    """What `head` looks like, in words, for the message to a client whose stream is no audio."""
    for signature, name in OTHER_THINGS:
        if head.lstrip().startswith(signature):
            return name
    if not head.strip(b"\0"):
        return "zero bytes"
    text = head[:32]
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text):
        return f"text ({text.decode('ascii')!r})"
    return f"unknown data (it begins with {text[:8].hex(' ')})"


def mp4_index_first(head: bytes) -> bool | None:
    """Whether an MP4 file names its samples before it stores them; None: `head` is too short to tell.

    ISO/IEC 14496-12, 4.2: boxes of a 32-bit size and a type; size 1: a 64-bit size follows; 0: to the end.
    """
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(head):
            return None
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind in (b"moov", b"moof"):
            return True
        if kind == b"mdat" or size == 0:
            return False
        if size == 1:
            if at + 16 > len(head):
                return None
            size = int.from_bytes(head[at + 8 : at + 16], "big")
        if size < 8:
            # Not a box: no index will come, and libav will say what is wrong.
            return True
        at += size
    return True  # libav will say what this is.
