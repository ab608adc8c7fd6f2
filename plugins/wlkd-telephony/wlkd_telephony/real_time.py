"""A switch sends nothing while a phone sends nothing: muted, on hold, silent with a codec that leaves silence out.

Without silence in its place the end of what was said would not be noticed, and the times of the two sides of a call
would drift apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass

from wlkd import StreamOffer
from wlkd.transports.conversation import cancel

GAP_SECONDS = 0.5
"""Nothing for that long is silence. Less may be the network, or a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples without a container."""

    encoding: str
    rate: int
    channels: int = 1

    @property
    def offer(self) -> StreamOffer:
        return StreamOffer(encoding=self.encoding, sample_rate=self.rate, channels=self.channels)

    def length(self, seconds: float) -> int:
        """Bytes."""
        return int(seconds * self.rate) * len(self._silence)

    def silence(self, length: int) -> Iterator[bytes]:
        """So many bytes of it, a second at a time."""
        second = self.length(1)
        for start in range(0, length, second):
            yield self._silence * (min(second, length - start) // len(self._silence))

    @property
    def _silence(self) -> bytes:
        """One sample of each channel."""
        return {"mulaw": b"\xff", "alaw": b"\xd5"}.get(self.encoding, bytes(2)) * self.channels


async def in_real_time(pieces: AsyncIterator[bytes], raw: Raw, began: float) -> AsyncGenerator[bytes]:
    """`pieces`, with silence for the time since `began` (of the event loop's clock) in which none came.

    To be closed (`contextlib.aclosing`). Counts time only while nothing waits to be read: the consumer may be slow."""
    loop = asyncio.get_running_loop()
    fed = 0

    def owed() -> int:
        """Bytes."""
        return raw.length(loop.time() - began) - fed

    upcoming = asyncio.ensure_future(anext(pieces, None))
    silent = owed() >= raw.length(GAP_SECONDS)
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=GAP_SECONDS)
            silent = silent or not upcoming.done()
            if silent:
                for piece in raw.silence(owed()):
                    fed += len(piece)
                    yield piece
            if upcoming.done():
                if (heard := upcoming.result()) is None:
                    return
                fed += len(heard)
                yield heard
                silent = False
                upcoming = asyncio.ensure_future(anext(pieces, None))
    finally:
        await cancel(upcoming)
