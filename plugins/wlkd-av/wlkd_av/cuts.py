"""Where a live container can be taken up by another decoder: behind its header, at a cluster, a page or a fragment."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SIZE = (
    rb"(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f].{2}|[\x10-\x1f].{3}|[\x08-\x0f].{4}|[\x04-\x07].{5}|[\x02\x03].{6}"
    rb"|\x01.{7})"
)
CUTS: tuple[tuple[bytes, re.Pattern[bytes]], ...] = (
    # Matroska, RFC 9559: a Cluster, its size, and the Timestamp that begins it.
    (rb"\x1a\x45\xdf\xa3", re.compile(rb"\x1f\x43\xb6\x75" + _SIZE + rb"\xe7", re.DOTALL)),
    # Ogg, RFC 3533: a page that begins with a packet and is no header, for it has a granule position.
    (rb"OggS", re.compile(rb"OggS\x00[\x00\x04](?!\x00{8}).{8}", re.DOTALL)),
    # ISO base media, 14496-12: a movie fragment.
    (rb"....ftyp", re.compile(rb".{4}moof.{4}mfhd", re.DOTALL)),
)
"""How a container begins, and its cuts."""
LONGEST = 16
"""Bytes of a match."""


class Cuts:
    """Looks for them in a stream of bytes."""

    def __init__(self) -> None:
        self._seen = 0
        self._tail = b""
        self._pattern: re.Pattern[bytes] | None = None
        self.header = 0
        """Bytes before the first cut."""

    def split(self, data: bytes) -> Iterator[tuple[bytes, int | None]]:
        """`data` in parts, and at the end of each the place in the stream where the next one begins, if that is a cut.

        A cut that was itself cut in two is told once its bytes are complete, with a part that is empty.
        """
        if not self._seen:
            self._pattern = next((cuts for begin, cuts in CUTS if re.match(begin, data, re.DOTALL)), None)
        window, done, known = self._tail + data, 0, len(self._tail)
        for match in self._pattern.finditer(window) if self._pattern else ():
            if match.end() <= known:
                continue
            cut, at = self._seen - known + match.start(), max(match.start() - known, 0)
            self.header = self.header or cut
            yield data[done:at], cut
            done = at
        self._seen += len(data)
        self._tail = window[1 - LONGEST :]
        yield data[done:], None
