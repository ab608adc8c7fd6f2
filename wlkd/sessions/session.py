"""One client's stream: bytes -> decoder -> VAD -> worker -> transcript -> updates.

One task owns the state. The transport hands it messages through a short queue; decoding and VAD run in a thread pool,
one call at a time; the worker calls back on the event loop. A step that raises ends this session, and no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from wlkd.config.options import SessionOptions
from wlkd.contract.audio import SAMPLE_RATE, samples, seconds
from wlkd.contract.components import DecoderStream, Vad
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, Samples, SessionInfo, SpeechEvent, Update
from wlkd.inference.backlog import Outcome, Stream
from wlkd.metrics import Metrics
from wlkd.sessions.transcript import Transcript

logger = logging.getLogger(__name__)
T = TypeVar("T")

PIECE_BYTES = 32 * 1024
"""Bytes decoded in one go: 1 s of 16 kHz PCM, some 8 s of Opus; bounds what one piece can inflate to."""
SLICE_SAMPLES = 10 * SAMPLE_RATE
"""Decoded audio looked at in one go. Some formats pack an hour of silence into a piece: it must not hold a thread of
the pool for seconds, nor go to the worker past the limit of the backlog."""
QUEUED_MESSAGES = 4
"""Messages that wait for decoding before the transport has to."""
LAG_NEWS = SAMPLE_RATE
"""A session that falls behind tells its client each time the lag has moved by this much."""


class _Flush(asyncio.Future[None]):
    """In the inbox: commit what there is. Done when that is done."""


class _End:
    """In the inbox: the audio is over."""


_END = _End()
_Message = bytes | _Flush | _End


class LiveSession:
    """See `wlkd.contract.host.Session`. Built from finished parts; `start()` begins the work, `close()` ends it."""

    def __init__(
        self,
        info: SessionInfo,
        decoder: DecoderStream,
        vad: Vad,
        open_stream: Callable[[Callable[[Outcome], None]], Stream],
        pool: Executor,
        options: SessionOptions,
        metrics: Metrics,
        on_update: Callable[[SessionInfo, Update], None],
    ) -> None:
        self.info = info
        self._decoder = decoder
        self._vad = vad
        self._vad_stream = vad.open()
        self._stream = open_stream(self._on_outcome)
        self._pool = pool
        self._options = options
        self._metrics = metrics
        self._on_update = on_update
        self._backlog_limit = samples(options.max_backlog_seconds)
        self._transcript = Transcript(
            line_pause=samples(options.line_pause_seconds),
            silence_line=samples(options.silence_line_seconds),
            max_line=samples(options.max_line_seconds),
        )
        self._inbox: asyncio.Queue[_Message] = asyncio.Queue(QUEUED_MESSAGES)
        self._putting = asyncio.Lock()
        """Who puts something in: a message goes in whole, and in its turn."""
        self._task: asyncio.Task[None] | None = None
        self._freeing: asyncio.Task[None] | None = None
        self._in_pool: asyncio.Future[Any] | None = None
        self._news = asyncio.Event()
        self._ended: SessionError | None = None
        self._finished = False
        self.error: SessionError | None = None
        self.words = 0
        self._received = 0
        self._settled = 0
        self._told_lag = 0
        self._speech_start: int | None = None
        self._speech_end: int | None = None
        self._segment_ended = False
        self._flushing: _Flush | None = None
        self._flushes = 0

    # What the transport calls ------------------------------------------------------------------------------

    async def feed(self, data: bytes) -> None:
        async with self._putting:
            self._check()
            for offset in range(0, len(data), PIECE_BYTES):
                await self._put(data[offset : offset + PIECE_BYTES])

    async def flush(self) -> None:
        flushed = _Flush()
        async with self._putting:
            self._check()
            await self._put(flushed)
        await flushed

    async def finish(self) -> None:
        await self._end(SessionError("bad_request", "audio after the end of the stream"))

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            if not self._finished:
                await self._news.wait()
            self._news.clear()
            finished = self._finished
            update = self._update(final=finished and self.error is None)
            self._on_update(self.info, update)
            yield update
            if finished:
                if self.error is not None:
                    raise self.error
                return

    # Life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work through the inbox."""
        self._task = asyncio.create_task(self._run(), name=f"session {self.info.id}")
        # On its own: the work may be cancelled twice, or before it began, and the decoder is closed all the same.
        self._freeing = asyncio.create_task(self._free_decoder(self._task), name=f"decoder of session {self.info.id}")

    async def drain(self) -> None:
        """The daemon stops: take no more audio, and finish what was received."""
        await self._end(SessionError("draining", "the server is shutting down"))

    async def close(self) -> None:
        """Give everything back; what is not yet transcribed is abandoned."""
        self._stream.close()
        if self._task is not None and self._freeing is not None:
            self._task.cancel()
            await asyncio.shield(self._freeing)

    def __str__(self) -> str:
        info = self.info
        return f"session {info.id} ({info.transport} from {info.peer}, lag {seconds(self.lag):.1f} s)"

    @property
    def received_seconds(self) -> float:
        """Audio received so far."""
        return seconds(self._received)

    @property
    def finished(self) -> bool:
        """No more words will come."""
        return self._finished

    @property
    def lag(self) -> int:
        """Samples received and not yet settled; silence is settled when it is heard."""
        in_silence = self._speech_start is None or self._speech_end is not None
        if self._stream.idle and in_silence:
            return 0
        return max(self._received - max(self._settled, self._speech_start or 0), 0)

    async def _run(self) -> None:
        try:
            try:
                await self._work()
            except Exception as error:
                reason = self._reason(error)
                if reason.code == "too_slow":
                    self._fail(reason)
                else:
                    # What was heard before the bad piece is still owed to the client.
                    await self._wind_up(reason)
        except Exception as error:
            self._fail(self._reason(error))

    def _reason(self, error: Exception) -> SessionError:
        """What the client is told; a defect goes to the log."""
        if isinstance(error, SessionError):
            return error
        logger.error("session %s failed", self.info.id, exc_info=error)
        return SessionError("internal", f"internal error: {type(error).__name__}")

    async def _work(self) -> None:
        while not self._finished:
            message = await self._next()
            match message:
                case bytes():
                    await self._ingest(message)
                case _Flush():
                    self._flushing = message
                    await self._handle(await self._call(self._vad_stream.finish))
                    self._vad_stream = self._vad.open()
                    await self._stream.drained()
                    self._flushed(message)
                case _End():
                    await self._hear(await self._call(self._decoder.finish))
                    await self._wind_up(None)
                    return

    async def _next(self) -> _Message:
        limit = self._options.idle_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._inbox.get()
        except TimeoutError:
            raise SessionError("idle_timeout", f"no audio for {limit:g} s") from None

    async def _ingest(self, data: bytes) -> None:
        await self._hear(await self._call(self._decoder.feed, data))
        if abs(self.lag - self._told_lag) >= LAG_NEWS:
            self._news.set()

    async def _hear(self, decoded: Samples) -> None:
        """Give the decoded samples their place on the clock and let the VAD look at them; waits while behind."""
        for start in range(0, len(decoded), SLICE_SAMPLES):
            frame = Frame(self._received, decoded[start : start + SLICE_SAMPLES])
            self._received = frame.end
            self._metrics.audio_seconds.inc(seconds(len(frame.samples)))
            await self._handle(await self._call(self._vad_stream.feed, frame))
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Wait until the backlog is within its limit. Raises `SessionError("too_slow")` when it stays above."""
        limit = self._options.max_blocked_seconds
        # An uploaded file waits as long as live sessions leave it no room: it is behind nobody's clock.
        waits = self.info.params.priority == "batch"
        try:
            async with asyncio.timeout(None if waits else limit):
                await self._stream.room(self._backlog_limit)
        except TimeoutError:
            raise SessionError("too_slow", f"recognition has not caught up for {limit:g} s") from None

    async def _handle(self, events: list[SpeechEvent]) -> None:
        for event in events:
            if isinstance(event, Frame):
                if self._speech_start is None or self._speech_end is not None:
                    self._speech_start, self._speech_end = event.start, None
                    self._news.set()
                self._metrics.speech_seconds.inc(seconds(len(event.samples)))
            else:
                self._speech_end = event.at
                self._news.set()
            self._stream.push(event)

    async def _wind_up(self, error: SessionError | None) -> None:
        """Transcribe what is left, then finish."""
        self.error = self.error or error
        self._empty_inbox()
        await self._handle(await self._call(self._vad_stream.finish))
        await self._stream.drained()
        self._finished = True
        self._news.set()

    def _fail(self, error: SessionError) -> None:
        """End now: the recognition itself is gone."""
        self.error = self.error or error
        self._finished = True
        self._stream.close()
        self._empty_inbox()
        self._news.set()

    def _empty_inbox(self) -> None:
        """Nobody reads the inbox any more: release those who wait to put something in, or for a flush."""
        waiting: list[_Message | None] = [self._flushing]
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait())
        for message in waiting:
            if isinstance(message, _Flush) and not message.done() and self.error is not None:
                message.set_exception(self.error)

    def _flushed(self, flush: _Flush) -> None:
        """Its words, if any, are in the transcript."""
        self._flushing = None
        self._flushes += 1
        self._news.set()
        if not flush.done():
            flush.set_result(None)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
        if self._ended is not None:
            raise self._ended

    async def _end(self, refusal: SessionError) -> None:
        """The audio ends here; who feeds more gets `refusal`."""
        async with self._putting:
            if self._ended is None:
                self._ended = refusal
                await self._inbox.put(_END)

    async def _put(self, message: _Message) -> None:
        await self._inbox.put(message)
        if self.error is not None:
            # It failed while there was no room, and nobody reads the inbox any more.
            raise self.error

    # Threads -----------------------------------------------------------------------------------------------

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        """Run one call in the pool. A cancelled session leaves the call behind; `_free_decoder` waits for it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        self._in_pool = future
        return await asyncio.shield(future)

    async def _free_decoder(self, work: asyncio.Task[None]) -> None:
        """Close the decoder when `work` has ended, and with it the last call in the pool."""
        await asyncio.wait({work})
        if self._in_pool is not None:
            await asyncio.wait({self._in_pool})
        await asyncio.get_running_loop().run_in_executor(self._pool, self._decoder.close)

    # The worker's answers ------------------------------------------------------------------------------------

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome:
            case Commit():
                self._transcript.apply(outcome)
                self._settled = max(self._settled, outcome.until)
                self._segment_ended |= outcome.segment_end
                self.words += len(outcome.words)
                self._metrics.words.inc(len(outcome.words))
                self._metrics.commit_lag.observe(seconds(self.lag))
                self._news.set()
            case SessionError():
                self._fail(outcome)
                if self._task is not None:
                    self._task.cancel()
            case _:
                raise outcome

    def _update(self, *, final: bool) -> Update:
        self._told_lag = self.lag
        segment_ended, self._segment_ended = self._segment_ended, False
        return Update(
            lines=self._transcript.lines,
            committed=self._transcript.take_fresh(),
            tentative=() if final else self._transcript.tentative,
            language=self._transcript.language,
            segment_end=segment_ended or final,
            speech_start=self._speech_start,
            speech_end=self._speech_end,
            received=self._received,
            lag=0 if final else self._told_lag,
            flushes=self._flushes,
            final=final,
        )
