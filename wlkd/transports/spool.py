"""An uploaded file on its way to a session: written as it arrives, read from the start while it still grows.

Kept on disk, not in memory, and read behind the writer: the client sends at its own speed, whatever recognition does,
so that a client which leaves is noticed. Recognition can start again from the beginning.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType
from typing import IO

from wlkd.contract.errors import Code, SessionRefused

logger = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
FULL_DISK_SECONDS = 60
"""How long a client is asked to wait when the disk is full: uploads that are finished give their room back."""


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
        try:
            self._file = await asyncio.to_thread(tempfile.TemporaryFile)
        except OSError as error:
            raise no_room(error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # In a thread: to give a gigabyte back takes the system a tenth of a second or two.
            await asyncio.shield(asyncio.to_thread(self._file.close))

    async def write(self, data: bytes) -> None:
        """Append `data`. Raises `SessionRefused` when the disk takes no more."""
        writing = asyncio.create_task(asyncio.to_thread(_write, self._descriptor, data, self.size))
        try:
            await asyncio.shield(writing)
        except OSError as error:
            raise no_room(error) from error
        finally:
            # The thread of a client that leaves goes on: by then, its descriptor might be that of another's upload.
            await asyncio.wait({writing})
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


def no_room(error: OSError) -> SessionRefused:
    """What to tell a client whose recording cannot be kept; the log tells the operator what to do."""
    folder = tempfile.tempdir or "the folder for temporary files"
    logger.error("an upload cannot be kept in %s: %s; make room there", folder, error.strerror)
    return SessionRefused(Code.SERVER_FULL, "the server has no room for the upload", FULL_DISK_SECONDS)


def _write(descriptor: int, data: bytes, position: int) -> None:
    """All of `data` at `position`: `pwrite` may write less than it was asked to."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, position)
        rest = rest[written:]
        position += written
