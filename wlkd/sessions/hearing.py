"""A client's bytes become samples with a place on the clock, and those become speech and pauses.

Decoding and VAD run in a thread pool, one call at a time. The one clock of a session is a sample index, counted from
its first sample, and it is kept here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import DecoderStream, Vad
from wlkd.contract.types import Frame, Samples, SpeechEvent

T = TypeVar("T")

SLICE_SAMPLES = 10 * SAMPLE_RATE
"""Decoded audio looked at in one go. Some formats pack an hour of silence into a piece: it must not hold a thread of
the pool for seconds, nor go to the worker past the limit of the backlog."""


class Hearing:
    """Decoder, VAD and clock of one session."""

    def __init__(self, decoder: DecoderStream, vad: Vad, pool: Executor) -> None:
        self._decoder = decoder
        self._vad = vad
        self._vad_stream = vad.open()
        self._pool = pool
        self._clock = 0
        self._in_pool: asyncio.Future[Any] | None = None

    async def decode(self, data: bytes) -> list[Frame]:
        """The audio that `data` completes, in slices, each with its place on the clock."""
        return self._placed(await self._call(self._decoder.feed, data))

    async def finish(self) -> list[Frame]:
        """What the decoder still held back: no more bytes will come."""
        return self._placed(await self._call(self._decoder.finish))

    async def detect(self, frame: Frame) -> list[SpeechEvent]:
        """What the VAD makes of the next audio."""
        return await self._call(self._vad_stream.feed, frame)

    async def pause(self) -> list[SpeechEvent]:
        """What the VAD held back, as if the speaker had paused. What follows starts afresh."""
        events = await self._call(self._vad_stream.finish)
        self._vad_stream = self._vad.open()
        return events

    async def close_after(self, work: asyncio.Task[None]) -> None:
        """Close the decoder when `work`, which alone calls this object, has ended, and with it the last call."""
        await asyncio.wait({work})
        if self._in_pool is not None:
            await asyncio.wait({self._in_pool})
        await asyncio.get_running_loop().run_in_executor(self._pool, self._decoder.close)

    def _placed(self, decoded: Samples) -> list[Frame]:
        begin, self._clock = self._clock, self._clock + len(decoded)
        return [
            Frame(begin + offset, decoded[offset : offset + SLICE_SAMPLES])
            for offset in range(0, len(decoded), SLICE_SAMPLES)
        ]

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        """Run one call in the pool. A cancelled session leaves the call behind; `close_after` waits for it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        self._in_pool = future
        return await asyncio.shield(future)
