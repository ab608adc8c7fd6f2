"""A client's bytes become samples with a place on the clock, and those become speech and pauses.

Decoding and VAD run in a thread pool, one call at a time. The one clock of a session is a sample index, counted from
its first sample, and it is kept here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE, silence
from wlkd.contract.components import DecoderStream, TurnDetector, Vad, VadStream
from wlkd.contract.returned import likelihood, opened, speech_events
from wlkd.contract.types import Decoded, Frame, Gap, Note, Pause, Restart, Samples, SpeechEvent
from wlkd.sessions.decoding import SLICE_SAMPLES, begin, take

logger = logging.getLogger(__name__)
T = TypeVar("T")

Heard = Frame | Gap | Note
"""Audio at its place, a gap that the VAD does not hear, or a note at its place."""
SHORT_GAP = SAMPLE_RATE
"""A gap up to this length is passed to the VAD as silence; a longer one begins with a pause."""
FROM_THE_BEGINNING = Restart()
TURN_SILENCE = SAMPLE_RATE // 5
"""Behind the last speech, that a turn detector hears."""
LATE = 10 * SAMPLE_RATE
"""The VAD tells a pause no later than this behind it."""
MAX_RESTARTS = 4096
"""Places to resume from that are remembered; beyond, every other one is forgotten."""


class Hearing:
    """Decoder, VAD and clock of one session."""

    def __init__(
        self,
        decoder: DecoderStream,
        vad: Vad,
        pool: Executor,
        restart: Restart = FROM_THE_BEGINNING,
        settled: int = 0,
        turn_detector: TurnDetector | None = None,
    ) -> None:
        """`restart`: where the bytes of a resumed stream begin; what comes of them before the sample index `settled` is
        not heard. `turn_detector`: None: pauses are told, and not judged."""
        self._decoder = decoder
        self._vad = vad
        self._vad_stream = opened(vad, vad.open(), VadStream)
        self._pool = pool
        self._turn_detector = turn_detector
        self._recent: deque[Frame] = deque()
        """What `turn_detector` may have to judge by."""
        self._given_up = False
        self.clock = restart.at
        """Samples heard, and left out by gaps, so far."""
        self._begin = restart
        self._settled = settled
        self._in_order = restart.header_bytes == 0
        """The bytes are as the client first sent them: there is no cut behind their header."""
        self._left_out = 0
        """Samples of that cut, which the decoder counts."""
        self._restarts = deque([restart])
        self._in_pool: asyncio.Future[Any] | None = None

    def decode(self, data: bytes) -> AsyncIterator[Heard]:
        """What `data` completes, in slices, each with its place on the clock."""
        return self._hear(self._decoder.feed, data)

    def finish(self) -> AsyncIterator[Heard]:
        """What the decoder still held back: no more bytes will come."""
        return self._hear(self._decoder.finish)

    def give_up(self) -> None:
        """The decoder makes nothing of the bytes any more: what follows is not heard."""
        self._given_up = True

    async def detect(self, frame: Frame) -> list[SpeechEvent]:
        """What the VAD makes of the next audio. After a pause speech may go on."""
        if self._turn_detector is not None:
            self._recent.append(frame)
            while self._recent[0].end < frame.end - self._turn_detector.samples - LATE:
                self._recent.popleft()
        events = await self._call(speech_events, self._vad_stream.feed, frame)
        return [replace(event, over=False) if isinstance(event, Pause) else event for event in events]

    async def judge(self, at: int) -> float | None:
        """How likely a turn is over whose last speech ended at sample index `at`; None: nothing judges that."""
        if self._turn_detector is None or not self._recent:
            return None
        audio = np.concatenate([frame.samples for frame in self._recent])
        audio = audio[: max(at + TURN_SILENCE - self._recent[0].start, 0)]
        return await self._call(likelihood, self._turn_detector.judge, audio[-self._turn_detector.samples :])

    def judge_no_more(self) -> None:
        """The turn detector is of no use: pauses are only told."""
        self._turn_detector = None
        self._recent.clear()

    async def flush(self) -> list[SpeechEvent]:
        """What the VAD held back, as if the speaker had paused. What follows may begin a little before here."""
        return await self._call(speech_events, self._vad_stream.flush)

    async def pause(self) -> list[SpeechEvent]:
        """What the VAD held back, as if the speaker had paused. What follows starts afresh: it does not follow on what
        was heard, or will never come."""
        events = await self._call(speech_events, self._vad_stream.finish)
        self._vad_stream = opened(self._vad, self._vad.open(), VadStream)
        self._recent.clear()
        return events

    def note_restarts(self) -> None:
        """Remember where the audio decoded last could be taken up again. Between two calls of `decode`."""
        for found in self._decoder.restarts():
            at = self._begin.at + found.at - self._left_out
            self._restarts.append(Restart(found.header_bytes, self.client_offset(found.offset_bytes), at))
        if len(self._restarts) > MAX_RESTARTS:
            self._restarts = deque(list(self._restarts)[::2])

    def restart(self, at: int) -> Restart:
        """Where to begin in order to hear the sample `at` and all behind it. Later calls never ask for earlier ones."""
        while len(self._restarts) > 1 and self._restarts[1].at <= at:
            self._restarts.popleft()
        return self._restarts[0]

    def client_offset(self, offset: int) -> int:
        """The place in the client's stream of the byte at `offset` of those that came here."""
        begin = self._begin
        return offset if offset < begin.header_bytes else offset - begin.header_bytes + begin.offset_bytes

    async def close_after(self, work: asyncio.Task[None]) -> None:
        """Close the decoder when `work`, which alone calls this object, has ended, and with it the last call."""
        await asyncio.wait({work})
        if self._in_pool is not None:
            await asyncio.wait({self._in_pool})
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._decoder.close)
        except Exception:
            # The words are there: whoever waits for them must get no error.
            logger.exception("%s.close() failed", type(self._decoder).__qualname__)

    async def _hear(self, call: Callable[..., Samples | Iterable[Decoded]], *args: object) -> AsyncIterator[Heard]:
        """What one call of the decoder makes, part by part, and the next part only when it is asked for."""
        taken = None if self._given_up else await self._call(begin, call, *args)
        while taken is not None:
            for item in taken.items:
                for heard in self._placed(item):
                    yield heard
            if taken.error is not None:
                raise taken.error
            taken = None if taken.rest is None else await self._call(take, taken.rest)

    def _placed(self, item: Decoded) -> Iterator[Heard]:
        if isinstance(item, Note):
            yield replace(item, start=self.clock)
            return
        if isinstance(item, Gap):
            # To the decoder of a resumed container, what lies between its header and the place to go on from is a hole.
            length = item.length if self._in_order else 0
            self._left_out += item.length - length
            if length > SHORT_GAP:
                self.clock += length
                yield replace(item, length=length)
                return
            item = silence(length)
        self._in_order |= len(item) > 0
        known = min(max(self._settled - self.clock, 0), len(item))
        self.clock += known
        for offset in range(known, len(item), SLICE_SAMPLES):
            frame = Frame(self.clock, item[offset : offset + SLICE_SAMPLES])
            self.clock = frame.end
            yield frame

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        """Run one call in the pool. A cancelled session leaves the call behind; `close_after` waits for it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        self._in_pool = future
        return await asyncio.shield(future)
