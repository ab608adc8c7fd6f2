"""A stream demuxed and decoded in a thread of its own, because libav pulls and clients push."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from wlkd import Decoded
from wlkd_av.errors import Undecodable
from wlkd_av.pipe import Abandoned, Pipe
from wlkd_av.reading import Opening, Reading


class Demuxer:
    """Bytes in, samples out. The thread starts with the first byte and ends with the container."""

    def __init__(self, opening: Opening, burst_seconds: int) -> None:
        self._pipe = Pipe()
        self._reading = Reading(_Stream(self._pipe), opening, burst_seconds)
        self._thread: threading.Thread | None = None
        # Written by the thread only while the caller waits in the pipe, so no lock is needed.
        self._crash: Exception | None = None
        self.failure: Undecodable | None = None
        """Why the thread ended early."""

    @property
    def opened(self) -> bool:
        """An audio track was found."""
        return self._reading.opened

    @property
    def heard(self) -> bool:
        """Samples came of it."""
        return self._reading.heard > 0

    @property
    def over(self) -> bool:
        """The container ended, or was given up: it takes no more bytes."""
        return self._pipe.left

    def feed(self, data: bytes) -> Iterator[Decoded]:
        """What `data` completes. After a failure, or past the end of the container: nothing."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="wlkd-av", daemon=True)
            thread.start()
            # Not before: where no more threads may be had there is none to wait for.
            self._thread = thread
        yield from self._pipe.give(data)
        self._check()

    def finish(self) -> Iterator[Decoded]:
        """The container ends here. Yields the rest; the thread is gone afterwards."""
        if self._thread is not None:
            yield from self._pipe.end()
            self._thread.join()
        self._check()

    def unread(self) -> bytes:
        """Bytes fed that the container had no use for, once it is over."""
        return self._pipe.unread()

    def close(self) -> None:
        """Ends the thread wherever it is. A second call does nothing."""
        if self._thread is not None:
            self._pipe.abandon()
            self._thread.join()

    def _check(self) -> None:
        if self._crash is not None:
            raise self._crash

    def _run(self) -> None:
        try:
            for item in self._reading.items():
                self._pipe.put(item)
        except Abandoned:
            pass
        except Undecodable as error:
            self.failure = error
        except Exception as error:
            # Nobody joins this thread for its exception: the caller raises it.
            self._crash = error
        finally:
            self._pipe.leave()


class _Stream:
    """The pipe's reading side alone: PyAV calls any `write` and `seek` that it finds."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.read = pipe.read
        self.rewind = pipe.rewind
        self.settle = pipe.settle

    @property
    def size(self) -> int:
        return self._pipe.size

    @property
    def position(self) -> int:
        return self._pipe.position
