"""What the first bytes of a stream say about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from wlkd_av.wav import DescriptionBehind, wav_samples

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
HEADERS = {
    "matroska": WEBM_HEADER,
    "mp4": re.compile(rb"\x00\x00\x00[\x08-\xff]ftyp"),
    "wav": re.compile(rb"(?:RIF[FX]|RF64).{4}WAVE", re.DOTALL),
    # A page that begins a logical stream, at granule 0 (RFC 3533, section 6).
    "ogg": re.compile(rb"OggS\x00[\x02\x06]\x00{8}"),
    # Its first block is always STREAMINFO, of 34 bytes (RFC 9639, section 8).
    "flac": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    "flv": re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09"),
    "caf": re.compile(rb"caff\x00\x01\x00\x00desc"),
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "amr": re.compile(rb"#!AMR(?:-WB)?\n"),
    # The GUID of a Header Object.
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    "w64": re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
    # Format 1, or 2 with a password, and a number of channels below 256.
    "tta": re.compile(rb"TTA1[\x01\x02]\x00[^\x00]\x00"),
}
"""What begins a new container in mid-stream, where libav would not notice: a recorder stopped and started again."""
ANY_HEADER = re.compile(b"|".join(b"(?:" + pattern.pattern + b")" for pattern in HEADERS.values()), re.DOTALL)
MAX_HEADER_BYTES = 16
"""The longest match of all of them."""

SIGNATURE_BYTES = 12
"""Enough for nearly every signature below."""

MAX_BOXES = 1000
"""Of an MP4 header. A recording has a dozen before its index; a client that sends thousands is an attack."""

SMALL_INDEX_BYTES = 16 * 1024
"""An MP4 index up to this size is waited for: that of a recording in fragments, whose samples it does not name."""

SIGNATURES = (
    (0, EBML_MAGIC, "matroska"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (8, b"WAVE", "wav"),
    (4, b"ftyp", "mp4"),
    (4, b"styp", "mp4"),
    # QuickTime before 2001, and writers who put the samples first.
    (4, b"moov", "mp4"),
    (4, b"moof", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
    (4, b"free", "mp4"),
    (4, b"skip", "mp4"),
    (4, b"pnot", "mp4"),
    (0, b"caff", "caf"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (8, b"AVI ", "avi"),
    (0, b".snd", "au"),
    (0, b"Creative Voi", "voc"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"#!AMR", "amr"),
    (0, b"riff\x2e\x91\xcf\x11", "w64"),
    (0, b"wvpk", "wv"),
    (0, b"TTA1", "tta"),
    (0, b"MAC ", "ape"),
)
"""Offset, bytes, and libav's name of the demuxer. What is not here libav recognizes itself, from more bytes."""
TS_PACKET, M2TS_PACKET = 188, 192

OTHER_THINGS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"#EXTM3U", "a playlist: send the recordings that it names"),
    (b"[playlist]", "a playlist: send the recordings that it names"),
    (b"ffconcat", "text, a list for ffmpeg's concat: send the recordings that it names"),
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
    length: int | None = None
    """Bytes from there on after which a tag may follow, instead of more audio."""
    restart: re.Pattern[bytes] | None = None
    """Begins another container of this kind,"""
    intro: int = 1
    """but not within so many bytes from the start."""
    seconds: float | None = None
    """As of `Opening`."""


class Wait(Enum):
    """What a choice has to wait for."""

    MORE = auto()
    WHOLE_FILE = auto()


@dataclass(frozen=True, slots=True)
class Middle:
    """A recording without its beginning: nothing can be heard before another one begins."""

    kind: str


def choose(head: bytes) -> Choice | Wait | Middle:
    """The demuxer for a stream that begins with `head`."""
    if len(head) < SIGNATURE_BYTES:
        return Wait.MORE
    name = container_format(head)
    restart = HEADERS.get(name or "")
    match name:
        case None:
            return Middle("a WebM recording") if _is_middle_of_webm(head) else Choice(None)
        case "mp4":
            return _choose_mp4(head)
        case "wav":
            return _choose_wav(head)
        case "ogg":
            return _choose_ogg(head)
        case "caf" | "aiff" if (fit := _described_first(head, name)) is not True:
            return Wait.MORE if fit is None else Wait.WHOLE_FILE
    return Choice(name, restart=restart)


def container_format(head: bytes) -> str | None:
    """libav's name of the container that begins with `head`; None: let libav look at more of it."""
    for offset, signature, name in SIGNATURES:
        if head.startswith(signature, offset) and (name != "mp4" or offset != 4 or _may_be_box(head)):
            return name
    for offset, size in ((0, TS_PACKET), (4, M2TS_PACKET)):
        if len(head) > offset + 2 * size and all(head[offset + n * size] == 0x47 for n in range(3)):
            return "mpegts"
    return None


def _may_be_box(head: bytes) -> bool:
    """Text can hold the words that name boxes; only samples and their index are larger than 16 MiB."""
    return head[0] == 0 or head[4:8] in (b"mdat", b"moov")


def describe(head: bytes) -> str:
    """What `head` looks like, in words, for the message to a client whose stream is not audio."""
    for signature, name in OTHER_THINGS:
        if head.lstrip().startswith(signature):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return "a HEIF image"
    if not head.strip(b"\0"):
        return "zero bytes"
    text = head[:32]
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text):
        return f"text ({text.decode('ascii')!r})"
    return f"unknown data (it begins with {text[:8].hex(' ')})"


CLUSTER = re.compile(rb"\x1f\x43\xb6\x75[\x01-\xff].{0,7}?\xe7[\x81-\x88]", re.DOTALL)
"""A WebM cluster and its timestamp, which comes first in it (RFC 9559, section 5.1.3)."""


MPEG_FRAME = re.compile(rb"\xff[\xe2-\xff]")
"""What MP3 and AAC without a container begin with."""


def find_header(data: bytes | bytearray, start: int = 0) -> int | None:
    """Where a container of any kind begins in `data`, from `start` on."""
    match = ANY_HEADER.search(data, start)
    return None if match is None else match.start()


def mp4_index_first(head: bytes) -> bool | None:
    """Whether an MP4 file names its samples before it stores them; None: `head` is too short to tell.

    ISO/IEC 14496-12, 4.2: boxes of a 32-bit size and a type; size 1: a 64-bit size follows; 0: to the end.
    """
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(head):
            return None
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"moov" and at + size > len(head) and size <= SMALL_INDEX_BYTES:
            # libav steps back in it, which it cannot where it comes a few bytes at a time.
            return None
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


def _choose_mp4(head: bytes) -> Choice | Wait | Middle:
    if head[4:8] == b"moof" or (head[4:8] == b"styp" and b"moof" in head[:4096] and b"moov" not in head[:4096]):
        return Middle("an MP4 recording in fragments")
    index_first = mp4_index_first(head)
    if index_first is None:
        return Wait.MORE
    return Choice("mp4", restart=HEADERS["mp4"]) if index_first else Wait.WHOLE_FILE


def _choose_wav(head: bytes) -> Choice | Wait:
    def read_at(offset: int, size: int) -> bytes:
        if offset + size > len(head):
            raise EOFError
        return head[offset : offset + size]

    try:
        samples = wav_samples(read_at)
    except EOFError:
        return Wait.MORE
    except DescriptionBehind:
        return Wait.WHOLE_FILE
    if samples is None:
        return Choice("wav", {"ignore_length": "1"}, restart=HEADERS["wav"])
    return Choice(
        samples.demuxer, samples.options, samples.offset, samples.length, HEADERS["wav"], seconds=samples.seconds
    )


def _choose_ogg(head: bytes) -> Choice | Wait | Middle:
    if not head[5] & 0x02:
        return Middle("an Ogg recording")
    # Every logical stream's first page comes before any other page (RFC 3533, section 4): those begin no new recording.
    at = 0
    while at < 65536:
        if len(head) < at + 6:
            return Wait.MORE
        if not (head.startswith(b"OggS", at) and head[at + 5] & 0x02):
            break
        segments = head[at + 26] if len(head) >= at + 27 else 255
        if len(head) < at + 27 + segments:
            return Wait.MORE
        at += 27 + segments + sum(head[at + 27 : at + 27 + segments])
    return Choice("ogg", restart=HEADERS["ogg"], intro=max(at, 1))


def _described_first(head: bytes, name: str) -> bool | None:
    """Whether a CAF or AIFF recording says how its samples are to be read before they come; None: more is needed."""
    at, wide = (8, 8) if name == "caf" else (12, 4)
    described = False
    for _ in range(MAX_BOXES):
        if at + 4 + wide > len(head):
            return None
        kind, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 4 + wide], "big")
        at += 4 + wide
        if kind in (b"COMM", b"pakt"):
            described = True
        if kind == b"desc":
            if at + 20 > len(head):
                return None
            # Packets of one size need no table of them.
            described = int.from_bytes(head[at + 16 : at + 20], "big") != 0
        if kind in (b"SSND", b"data"):
            return described
        at += size + (size % 2 if name == "aiff" else 0)
    return False


def _is_middle_of_webm(head: bytes) -> bool:
    """Whether `head` begins with clusters or blocks, as a recorder's later chunks do (RFC 9559)."""
    at = elements = 0
    while at < len(head) and elements < 3:
        for element in (b"\x1f\x43\xb6\x75", b"\xa3", b"\xe7", b"\xa0", b"\xab", b"\xa7"):
            if head.startswith(element, at):
                break
        else:
            return False
        at += len(element)
        length = 9 - head[at].bit_length() if at < len(head) and head[at] else 0
        if not length or at + length > len(head):
            break
        size = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
        at += length
        elements += 1
        # A cluster's content is looked at; what else there is has a size.
        at += 0 if element == b"\x1f\x43\xb6\x75" else size
    return elements >= 2 or (elements == 1 and head.startswith(b"\x1f\x43\xb6\x75"))
