"""An uploaded file on its way to a session: written as it arrives, read from the start while it still grows.

Kept on disk, not in memory, and read behind the writer: the client sends at its own speed, whatever recognition does,
so that a client which leaves is noticed. Recognition can start again from the beginning.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType
from typing import IO

READ_BYTES = 256 * 1024


class Spool:
    """A nameless temporary file, gone when the `async with` ends. One writer, which limits its size; any number of
    readers."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._complete = False
        self._grown = asyncio.Condition()
        self.size = 0
        """Bytes written so far."""

    async def __aenter__(self) -> Spool:
        self._file = await asyncio.to_thread(tempfile.TemporaryFile)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def write(self, data: bytes) -> None:
        """Append `data`."""
        await asyncio.to_thread(_write, self._descriptor, data, self.size)
        async with self._grown:
            self.size += len(data)
            self._grown.notify_all()

    async def complete(self) -> None:
        """Nothing more will be written."""
        async with self._grown:
            self._complete = True
            self._grown.notify_all()

    async def read(self) -> AsyncIterator[bytes]:
        """The file from its start, waiting for what is still to come."""
        position = 0
        while True:
            async with self._grown:
                await self._grown.wait_for(lambda: self._complete or self.size > position)  # noqa: B023 - awaited here
                if position == self.size:
                    return
            piece = await asyncio.to_thread(os.pread, self._descriptor, READ_BYTES, position)
            position += len(piece)
            yield piece

    @property
    def file(self) -> IO[bytes]:
        """For decoders that have to jump about in it; to be read by `os.pread`."""
        if self._file is None:
            raise ValueError("the spool is not open")
        return self._file

    @property
    def _descriptor(self) -> int:
        return self.file.fileno()


def _write(descriptor: int, data: bytes, position: int) -> None:
    """All of `data` at `position`: `pwrite` may write less than it was asked to."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, position)
        rest = rest[written:]
        position += written
