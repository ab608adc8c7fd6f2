"""From a caller that pushes bytes to a thread that pulls them and gives back what it made of them."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition

import numpy as np

from wlkd import SAMPLE_RATE, Decoded

MAX_WAITING = 60 * SAMPLE_RATE
"""Samples that may wait for the caller before the thread has to: a piece of bytes may unpack to hours."""
MAX_ITEMS = 1000


class Abandoned(Exception):
    """The caller does not want what the thread makes any more."""


class Pipe:
    """Holds one piece at a time: `give` ends when the reader has read it all and asks for more, or has left.

    So nothing queues up, and whatever the reader can make of the bytes is made when `give` ends.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._piece = memoryview(b"")
        self._hungry = False
        self._ended = False
        self.left = False
        """The reader reads no more."""
        self._abandoned = False
        self._made: list[Decoded] = []
        self._waiting = 0
        self._kept: bytearray | None = bytearray()
        """What was read, until `settle`."""
        self._again = memoryview(b"")
        self.size = 0
        """Bytes given so far."""
        self.position = 0
        """Bytes read so far."""

    # The writer's side ---------------------------------------------------------------------------------------

    def give(self, data: bytes) -> Iterator[Decoded]:
        """Hand over `data`; what the reader makes until it has used it up."""
        with self._changed:
            if self.left or not data:
                return
            self._piece, self._hungry = memoryview(data), False
            self.size += len(data)
            self._changed.notify_all()
        yield from self._until_hungry()

    def end(self) -> Iterator[Decoded]:
        """No more bytes will come; what the reader makes until it has left."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        yield from self._until_hungry()

    def abandon(self) -> None:
        """What was given and not read is void, and so is what the reader makes. Does not wait."""
        with self._changed:
            self._piece, self._ended, self._abandoned = memoryview(b""), True, True
            self._changed.notify_all()

    def unread(self) -> bytes:
        """What the reader left behind."""
        with self._changed:
            return bytes(self._piece)

    def _until_hungry(self) -> Iterator[Decoded]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.left or self._made or self._starving)
                made, self._made, self._waiting = self._made, [], 0
                self._changed.notify_all()
                if not made:
                    return
            yield from made

    @property
    def _starving(self) -> bool:
        return self._hungry and not self._piece and not self._ended

    # The reader's side ---------------------------------------------------------------------------------------

    def read(self, size: int) -> bytes:
        """At most `size` bytes as soon as there are any; `b""` at the end. libav calls this."""
        with self._changed:
            if self._again:
                taken, self._again = self._again[:size], self._again[size:]
                return bytes(taken)
            if not self._piece and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._piece or self._ended)
            self._hungry = False
            taken, self._piece = self._piece[:size], self._piece[size:]
            self.position += len(taken)
            if self._kept is not None:
                self._kept += taken
            return bytes(taken)

    def rewind(self) -> bool:
        """Read from the start again; False: there is nothing more to read than was read already."""
        with self._changed:
            assert self._kept is not None
            self._again = memoryview(bytes(self._kept))
            return not (self._ended and not self._piece)

    def settle(self) -> None:
        """The start is not needed any more."""
        with self._changed:
            self._kept = None

    def put(self, made: Decoded) -> None:
        """Give something back. Waits while the caller has not taken what was given before."""
        with self._changed:
            self._made.append(made)
            self._waiting += len(made) if isinstance(made, np.ndarray) else 0
            if self._waiting >= MAX_WAITING or len(self._made) >= MAX_ITEMS:
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._made or self._abandoned)
            if self._abandoned:
                raise Abandoned

    def leave(self) -> None:
        """Will not read again. Frees a waiting writer."""
        with self._changed:
            self.left = True
            self._kept = None
            self._changed.notify_all()
