"""A container in a file, which libav may read anywhere, and the containers that are joined in one."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from wlkd.transports.spool import no_room
from wlkd_av.errors import Undecodable


class Kept:
    """A recording that is kept until it is complete: the client's file where there is one, else a temporary one."""

    def __init__(self, file: IO[bytes] | None, limit: int, begin: int = 0) -> None:
        """`begin`: where the recording begins in the client's file, which may hold others before it.

        Raises `SessionRefused` when no file can be made.
        """
        self._own = file is None
        self.begin = 0 if self._own else begin
        self._limit = limit
        try:
            self.file = tempfile.TemporaryFile() if file is None else file  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise no_room(error) from error

    def add(self, data: bytes) -> bool:
        """More of it. False: it is larger than its limit. Raises `SessionRefused` when the disk takes no more."""
        if not self._own:
            return True
        try:
            self.file.write(data)
            self.file.flush()
        except OSError as error:
            raise no_room(error) from error
        return self.file.tell() <= self._limit

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def close(self) -> None:
        if self._own:
            # What the disk did not take would be written now: its client knows.
            with contextlib.suppress(OSError):
                self.file.close()


class Window:
    """A part of a file, as a file. Reads by `pread`, which does not disturb its other readers and writers."""

    def __init__(self, file: IO[bytes], begin: int, end: int) -> None:
        self._descriptor = file.fileno()
        self._begin = begin
        self.size = end - begin
        self.position = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; `b""` at the end."""
        size = min(size, self.size - self.position)
        if size <= 0:
            return b""
        data = os.pread(self._descriptor, size, self._begin + self.position)
        self.position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of files. Raises `ValueError` for a place before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the start of the file")
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def rewind(self) -> bool:
        """A longer look from the start may always show more: all of the file is there."""
        self.position = 0
        return True

    def settle(self) -> None:
        """Nothing is kept for a rewind."""


def mp4_parts(file: IO[bytes], begin: int, size: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each of the MP4 files that are joined in `file`: each begins with an `ftyp` of its own.

    Raises `Undecodable` when there is no index in the last of them.
    """
    at, indexed = begin, False
    descriptor = file.fileno()
    for _ in range(MAX_BOXES):
        head = os.pread(descriptor, 16, at)
        if len(head) < 8:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind == b"ftyp" and at > begin:
            yield begin, at
            begin, indexed = at, False
        indexed |= kind in (b"moov", b"moof")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            break
        at += length
        if at >= size:
            break
    if not indexed:
        raise Undecodable("cut short: its index is missing")
    yield begin, size


MAX_BOXES = 100_000
"""Of one file; a fragmented recording has two for each fragment."""
