"""From a caller that pushes bytes to a thread that pulls them, with the caller waiting for it to catch up."""

from __future__ import annotations

from threading import Condition


class Pipe:
    """Holds one piece at a time: `give` returns when the reader has read it all and asks for more, or has left.

    So nothing queues up, and whatever the reader can make of the bytes is made when `give` returns.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._piece = memoryview(b"")
        self._hungry = False
        self._ended = False
        self._left = False

    def give(self, data: bytes) -> None:
        """Writer: hand over `data` and wait until it is used up."""
        with self._changed:
            if self._left or not data:
                return
            self._piece, self._hungry = memoryview(data), False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._left or (self._hungry and not self._piece))

    def end(self) -> None:
        """Writer: no more bytes will come. Waits until the reader has left."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._left)

    def abandon(self) -> None:
        """Writer: what was given and not read is void; the reader sees the end. Does not wait."""
        with self._changed:
            self._piece, self._ended = memoryview(b""), True
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Reader: at most `size` bytes as soon as there are any; `b""` at the end. libav calls this."""
        with self._changed:
            if not self._piece and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._piece or self._ended)
            self._hungry = False
            taken, self._piece = self._piece[:size], self._piece[size:]
            return bytes(taken)

    def leave(self) -> None:
        """Reader: will not read again. Frees a waiting writer."""
        with self._changed:
            self._left = True
            self._piece = memoryview(b"")
            self._changed.notify_all()
