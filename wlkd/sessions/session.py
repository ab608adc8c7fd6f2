"""One client's stream: bytes -> hearing -> worker -> progress -> updates.

One task owns the state. The transport hands it messages through a short queue; `Hearing` turns bytes into speech; the
worker calls back on the event loop; `Progress` says what became of it. A step that raises ends this session, and no
other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace

from wlkd.config.options import SessionOptions
from wlkd.contract.audio import samples, seconds
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import Commit, Frame, Gap, Note, SessionInfo, SpeechEvent, TakenUp, Update
from wlkd.inference.backlog import Outcome, Stream
from wlkd.metrics import Metrics
from wlkd.sessions.deafness import Deafness
from wlkd.sessions.hearing import Heard, Hearing
from wlkd.sessions.life import Life, Stage
from wlkd.sessions.progress import Progress
from wlkd.sessions.rendering import Rendering
from wlkd.sessions.resuming import Resuming
from wlkd.sessions.speakers import Listening

logger = logging.getLogger(__name__)

PIECE_BYTES = 32 * 1024
"""Bytes decoded in one go: 1 s of 16 kHz PCM, some 8 s of Opus; bounds what one piece can inflate to."""
QUEUED_MESSAGES = 4
"""Messages that wait for decoding before the transport has to."""


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
        hearing: Hearing,
        progress: Progress,
        open_stream: Callable[[Callable[[Outcome], None]], Stream],
        rendering: Rendering,
        options: SessionOptions,
        metrics: Metrics,
        on_update: Callable[[SessionInfo, Update], None],
        resuming: Resuming | None = None,
        speakers: Listening | None = None,
    ) -> None:
        """`resuming`: it can outlive its connection. `speakers`: the diarizer that listens beside; None: nobody is
        told apart."""
        self.info = info
        self._resuming = resuming
        self._taken_bytes = 0
        self._hearing = hearing
        self._progress = progress
        self._stream = open_stream(self._on_outcome)
        self._rendering = rendering
        self._options = options
        self._metrics = metrics
        self._on_update = on_update
        self._speakers = speakers
        self._life = Life()
        self._deafness = Deafness()
        self._backlog_limit = samples(options.max_backlog_seconds)
        self._inbox: asyncio.Queue[_Message] = asyncio.Queue(QUEUED_MESSAGES)
        self._putting = asyncio.Lock()
        """Who puts something in: a message goes in whole, and in its turn."""
        self._flushing: _Flush | None = None
        self._quiet = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._freeing: asyncio.Task[None] | None = None

    # What the transport calls ------------------------------------------------------------------------------

    async def feed(self, data: bytes, check: Callable[[], None] = lambda: None) -> None:
        """`check` raises when whoever feeds has lost the session meanwhile."""
        async with self._putting:
            check()
            self._life.check()
            for offset in range(0, len(data), PIECE_BYTES):
                piece = data[offset : offset + PIECE_BYTES]
                await self._put(piece)
                self._taken_bytes += len(piece)

    async def flush(self) -> None:
        flushed = _Flush()
        async with self._putting:
            self._life.check()
            await self._put(flushed)
        await flushed

    def change(self, query: Mapping[str, str]) -> None:
        self._life.check()
        self._write(self._rendering.change(query))

    async def finish(self, mistake: SessionError | None = None) -> None:
        await self._end(mistake)

    async def updates(self, check: Callable[[], None] = lambda: None) -> AsyncIterator[Update]:
        """`check` raises when whoever reads has lost the session meanwhile."""
        while True:
            if not self._life.over:
                await self._progress.news()
            check()
            over, complete, reason = self._life.over, self._life.complete, self._life.reason
            update = self._progress.update(idle=self._stream.idle, final=complete)
            if self._resuming is not None:
                update = replace(update, seam=self._resuming.seam())
            self._on_update(self.info, update)
            yield update
            if over:
                if reason is not None:
                    raise reason
                return

    # When its client comes back ------------------------------------------------------------------------------

    def tell(self) -> None:
        """Wake up whoever reads the updates."""
        self._progress.tell()

    @property
    def name(self) -> str:
        """What the fleet calls a resumable session."""
        return self._resumable.identity.session

    @property
    def taken_up(self) -> TakenUp | None:
        """See `wlkd.contract.host.Session`."""
        return None if self._resuming is None else self._resuming.begin

    @property
    def can_go_on(self) -> bool:
        """Over another connection: nothing went wrong, and what comes before all else is here."""
        return self._life.reason is None and self._taken_bytes >= self.begin.header_bytes

    @property
    def begin(self) -> TakenUp:
        """Where the client of a resumable session begins."""
        return self._resumable.begin

    async def go_on(self, known_words: int) -> TakenUp:
        """For a new connection, whose client has the first `known_words` of the words: where to begin."""
        async with self._putting:
            begin = self._hearing.client_offset(self._taken_bytes)
        self._progress.told_only(known_words)
        return TakenUp(continued=True, header_bytes=0, from_bytes=begin, first_line=self.begin.first_line)

    @property
    def _resumable(self) -> Resuming:
        assert self._resuming is not None, "a session that can resume"
        return self._resuming

    # What the daemon asks ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        info = self.info
        lag = f"lag {seconds(self.lag):.1f} s"
        return f"session {info.id} ({info.transport} from {info.peer}, {lag}, {self.remains_because})"

    @property
    def can_move(self) -> bool:
        """Its client can go on elsewhere."""
        return self._resuming is not None

    @property
    def remains_because(self) -> str:
        """Why it is still here when the daemon wants to stop."""
        if self.info.params.priority == "upload":
            return "an upload"
        if self._life.over:
            return "sends its last words"
        if self._life.stage is Stage.ENDING:
            return "transcribes its last audio"
        return "moves at its next pause" if self.can_move else "still streams and cannot move"

    @property
    def received_seconds(self) -> float:
        """Audio received so far."""
        return seconds(self._progress.received)

    @property
    def words(self) -> int:
        """Words committed so far."""
        return self._progress.words

    @property
    def outcome(self) -> str:
        """How it ended, if its client went away now: `finished`, `disconnected`, or the code of an error."""
        return self._life.outcome

    @property
    def lag(self) -> int:
        """Samples received and not yet settled; silence is settled when it is heard."""
        return self._progress.lag(idle=self._stream.idle)

    # Life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work through the inbox."""
        if self._speakers is not None:
            self._speakers.start()
        self._task = asyncio.create_task(self._run(), name=f"session {self.info.id}")
        # On its own: the work may be cancelled twice, or before it began, and the decoder is closed all the same.
        freeing = self._hearing.close_after(self._task)
        self._freeing = asyncio.create_task(freeing, name=f"decoder of session {self.info.id}")

    async def move(self, within: float) -> None:
        """The daemon stops: let the client of a resumable session go on elsewhere, from the next pause on, or from
        where it is after so many seconds. Audio that has ended is finished here."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._quiet.wait()
        if self._life.stage is Stage.TAKING:
            self._fail(SessionError(Code.MOVING, "the server is shutting down; the stream can go on elsewhere"))
            if self._task is not None:
                self._task.cancel()

    async def drain(self) -> None:
        """The daemon stops: take no more audio, and finish what was received."""
        await self._end(SessionError(Code.DRAINING, "the server is shutting down; everything received is transcribed"))

    async def close(self) -> None:
        """Give everything back; what is not yet transcribed is abandoned."""
        self._stream.close()
        self._relieve()
        self._metrics.guessed_speakers.inc(self._progress.guessed_speakers)
        if self._speakers is not None:
            self._speakers.close()
        if self._task is not None and self._freeing is not None:
            self._task.cancel()
            await asyncio.shield(self._freeing)

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
        while not self._life.over:
            message = await self._next()
            match message:
                case bytes():
                    await self._hear(self._hearing.decode(message))
                    self._note_seam()
                    self._progress.caught_up(idle=self._stream.idle)
                case _Flush():
                    self._flushing = message
                    self._hand_in(await self._hearing.pause())
                    await self._stream.drained()
                    if self._speakers is not None:
                        await self._speakers.settle()
                    self._flushed(message)
                case _End():
                    await self._hear(self._hearing.finish())
                    await self._wind_up(None)
                    return

    async def _next(self) -> _Message:
        limit = self._options.idle_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._inbox.get()
        except TimeoutError:
            raise SessionError("idle_timeout", f"no audio for {limit:g} s") from None

    async def _hear(self, audio: AsyncIterator[Heard]) -> None:
        """Hand the speech in `audio` to the worker; waits while behind."""
        try:
            async for heard in audio:
                await self._take_in(heard)
        except SessionError as error:
            if not self._ends_recording(error):
                raise
            self._hearing.give_up()
            self._note(Note("cut_short", error.message, start=self._hearing.clock))

    async def _take_in(self, heard: Heard) -> None:
        match heard:
            case Note():
                self._note(heard)
            case Gap():
                self._hand_in(await self._hearing.pause())
                self._progress.received_up_to(self._hearing.clock)
            case Frame():
                self._progress.received_up_to(heard.end)
                self._metrics.audio_seconds.inc(seconds(len(heard.samples)))
                self._hand_in(await self._hearing.detect(heard))
                await self._catch_up()

    def _ends_recording(self, error: SessionError) -> bool:
        """Whether `error` is no more than the end of a recording. Somebody who still speaks is to be told by it."""
        recording = self._life.stage is not Stage.TAKING or self.info.params.priority == "upload"
        return recording and error.code == "undecodable_audio" and self._hearing.clock > 0

    def _note(self, note: Note) -> None:
        self._progress.noted(note)
        logger.info("session %s: at %.1f s: %s: %s", self.info.id, seconds(note.start), note.code, note.message)

    def _hand_in(self, events: Iterable[SpeechEvent]) -> None:
        for event in events:
            self._progress.heard(event)
            if isinstance(event, Frame):
                self._metrics.speech_seconds.inc(seconds(len(event.samples)))
                self._notice_deafness(event)
            self._stream.push(event)
            if self._speakers is not None:
                self._speakers.hand_in(event)

    def _notice_deafness(self, frame: Frame) -> None:
        """Raise the alarm when live speech brings no words. An upload may have to wait for its turn."""
        if self.info.params.priority == "live" and self._deafness.heard(frame):
            self._metrics.deaf.inc()
            self._metrics.deaf_alarms.inc()
            self._progress.deaf = True
            self._progress.tell()
            logger.warning("%s: 30 s of speech were heard, and no word was committed", self)

    def _relieve(self) -> None:
        if self._deafness.relieved():
            self._metrics.deaf.dec()
            self._progress.deaf = False
            self._progress.tell()

    def _note_seam(self) -> None:
        """Silence is settled as it is heard, and a client can forget it."""
        if self._resuming is not None:
            self._hearing.note_restarts()
            if self._look_quiet():
                self._resuming.silent(self._progress.received)
            if self._resuming.due:
                self._progress.tell()

    def _look_quiet(self) -> bool:
        """Whether nobody speaks and everything is transcribed, as `move` waits for."""
        quiet = self._progress.quiet(idle=self._stream.idle)
        (self._quiet.set if quiet else self._quiet.clear)()
        return quiet

    async def _catch_up(self) -> None:
        """Wait until the backlog is within its limit. Raises `SessionError("too_slow")` when it stays above."""
        limit = self._options.max_blocked_seconds
        if self._speakers is not None:
            await self._speakers.room()
        # An uploaded file waits as long as live sessions leave it no room: it is behind nobody's clock.
        waits = self.info.params.priority == "upload"
        try:
            async with asyncio.timeout(None if waits else limit):
                await self._stream.room(self._backlog_limit)
        except TimeoutError:
            raise SessionError("too_slow", f"recognition has not caught up for {limit:g} s") from None

    async def _wind_up(self, error: SessionError | None) -> None:
        """Transcribe what is left, then finish."""
        if error is not None:
            self._life.fail(error)
        self._empty_inbox()
        self._hand_in(await self._hearing.pause())
        await self._stream.drained()
        if self._speakers is not None:
            await self._speakers.finish()
        self._life.finish()
        self._progress.tell()

    def _fail(self, error: SessionError) -> None:
        """End now: the recognition itself is gone."""
        self._life.fail(error)
        with contextlib.suppress(SessionError):  # of a filter, which has said so
            self._write(self._rendering.release())
            if self._resuming is not None:
                self._resuming.released()
        self._life.finish()
        self._stream.close()
        self._progress.speakers_failed()
        self._empty_inbox()
        self._progress.tell()

    def _empty_inbox(self) -> None:
        """Nobody reads the inbox any more: release those who wait to put something in, or for a flush."""
        waiting: list[_Message | None] = [self._flushing]
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait())
        for message in waiting:
            if isinstance(message, _Flush) and not message.done() and self._life.error is not None:
                message.set_exception(self._life.error)

    def _flushed(self, flush: _Flush) -> None:
        """Its words, if any, are in the transcript."""
        self._flushing = None
        self._progress.flushed()
        if not flush.done():
            flush.set_result(None)

    async def _end(self, reason: SessionError | None) -> None:
        """The audio ends here; `updates()` raises `reason` after the last word."""
        async with self._putting:
            if self._life.end(reason):
                await self._inbox.put(_END)

    async def _put(self, message: _Message) -> None:
        await self._inbox.put(message)
        if self._life.error is not None:
            # It failed while there was no room, and nobody reads the inbox any more.
            raise self._life.error

    # The worker's answers ------------------------------------------------------------------------------------

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome:
            case Commit():
                try:
                    self._write(self._rendering.render(outcome))
                except SessionError as error:
                    self._on_outcome(error)
                    return
                if self._resuming is not None:
                    waits = (self._rendering.waits_from, self._progress.waits_from)
                    self._resuming.committed(outcome, min((at for at in waits if at is not None), default=None))
                self._look_quiet()
                self._metrics.commit_lag.observe(seconds(self.lag))
            case SessionError():
                self._fail(outcome)
                if self._task is not None:
                    self._task.cancel()
            case _:
                raise outcome

    def _write(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._progress.committed(commit)
            if commit.words:
                self._relieve()
            self._metrics.words.inc(len(commit.words))
