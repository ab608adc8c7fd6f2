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
from wlkd.contract.types import Commit, Frame, Gap, Note, Pause, SessionInfo, SpeechEvent, TakenUp, Update
from wlkd.inference.backlog import Outcome
from wlkd.inference.engines import Engine
from wlkd.inference.handover import Place
from wlkd.metrics import Metrics
from wlkd.sessions.deafness import Alarm
from wlkd.sessions.hearing import Heard, Hearing
from wlkd.sessions.inbox import End, Flush, Inbox
from wlkd.sessions.life import Life, Stage
from wlkd.sessions.progress import Progress
from wlkd.sessions.rendering import Rendering
from wlkd.sessions.resuming import Resuming
from wlkd.sessions.seams import InOrder
from wlkd.sessions.speakers import Listening
from wlkd.sessions.translating import Translating

logger = logging.getLogger(__name__)

JUDGING_SECONDS = 10.0
"""What a turn detector gets to judge a pause, while the session's audio waits: it takes some hundredths of a second."""
FREEING_SECONDS = 10.0
"""How long a live session that is over keeps its place while a call of its decoder or VAD goes on: one that never
returns must not take it for ever."""


class LiveSession:
    """See `wlkd.contract.host.Session`. Built from finished parts; `start()` begins the work, `close()` ends it."""

    def __init__(
        self,
        info: SessionInfo,
        hearing: Hearing,
        progress: Progress,
        place: Place,
        rendering: Rendering,
        options: SessionOptions,
        metrics: Metrics,
        on_update: Callable[[SessionInfo, Update], None],
        resuming: Resuming | None = None,
        speakers: Listening | None = None,
        translating: Translating | None = None,
    ) -> None:
        """`resuming`: it can outlive its connection. `speakers`: the diarizer that listens beside; None: nobody is
        told apart. `translating`: the translator that follows; None: nothing is translated."""
        self.info = info
        self.resuming = resuming
        self._hearing = hearing
        self._progress = progress
        self._place = place.open(self._on_outcome)
        self._in_order = InOrder(info.params.told)
        self._rendering = rendering
        self._options = options
        self._metrics = metrics
        self._on_update = on_update
        self._speakers = speakers
        self._translating = translating
        self._life = Life()
        self._inbox = Inbox(self._life)
        self._alarm = Alarm(info, progress, metrics)
        self._backlog_limit = samples(options.max_backlog_seconds)
        self._quiet = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._freeing: asyncio.Task[None] | None = None

    # What the transport calls ------------------------------------------------------------------------------

    async def feed(self, data: bytes, check: Callable[[], None] = lambda: None) -> None:
        """`check` raises if the session has passed to another connection meanwhile."""
        await self._inbox.feed(data, check)

    async def flush(self) -> None:
        await self._inbox.flush()

    def change(self, query: Mapping[str, str]) -> None:
        self._life.check()
        self._write(self._rendering.change(query))

    async def finish(self, mistake: SessionError | None = None) -> None:
        await self._inbox.end(mistake)

    def kept_waiting(self) -> contextlib.AbstractContextManager[None]:
        return self._inbox.kept_waiting()

    async def updates(self, check: Callable[[], None] = lambda: None) -> AsyncIterator[Update]:
        """`check` raises if the session has passed to another connection meanwhile."""
        while True:
            if not self._life.over:
                await self._progress.news()
            check()
            over, complete, reason = self._life.over, self._life.complete, self._life.reason
            update = self._progress.update(idle=self._place.idle, final=complete)
            if self.resuming is not None:
                update = replace(update, seam=self.resuming.seam(self._waits_from))
            self._on_update(self.info, update)
            yield update
            if over:
                if reason is not None:
                    # Its transport may raise it again when the session is closed.
                    reason.counted = True
                    raise reason
                return

    # When its client comes back ------------------------------------------------------------------------------

    taken_up: TakenUp | None = None
    """See `wlkd.contract.host.Session`; a `Seat` knows more."""

    @property
    def unharmed(self) -> bool:
        """Nothing went wrong, and nobody has ended it."""
        return self._life.reason is None

    async def failure(self) -> None:
        """Wait until something goes wrong."""
        await self._life.failed.wait()

    @property
    def taken_bytes(self) -> int:
        """Bytes of the client that came in."""
        return self._inbox.taken_bytes

    def tell(self) -> None:
        """Wake up the reader of the updates."""
        self._progress.tell()

    async def go_on(self, known_words: int) -> int:
        """For a new connection, whose client has the first `known_words` of the words: the place in its stream, in
        bytes, of what it has to send next."""
        place = self._hearing.client_offset(await self._inbox.settled_bytes())
        self._progress.told_only(known_words)
        return place

    # What the daemon asks ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        info = self.info
        lag = f"lag {seconds(self.lag):.1f} s"
        return f"session {info.id} ({info.transport} from {info.peer}, {lag}, {self.remains_because})"

    @property
    def can_move(self) -> bool:
        """Its client can go on elsewhere."""
        return self.resuming is not None

    @property
    def remains_because(self) -> str:
        """Why it is still here when the daemon wants to stop."""
        if not self.is_live:
            return "an upload"
        if self._life.over:
            return "sends its last words"
        if self._life.stage is Stage.ENDING:
            return "transcribes its last audio"
        return "moves at its next pause" if self.can_move else "still streams and cannot move"

    @property
    def engine(self) -> Engine:
        """Where it is recognized now."""
        return self._place.engine

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
    def is_live(self) -> bool:
        """Somebody waits for each word. An upload is not: it is decoded ahead, and its lag says nothing."""
        return self.info.params.priority == "live"

    @property
    def lag(self) -> int:
        """Samples received and not yet settled; silence is settled when it is heard."""
        return self._progress.lag(idle=self._place.idle)

    # Life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work through the inbox."""
        if self._speakers is not None:
            self._speakers.start()
        if self._translating is not None:
            # Sentences from elsewhere that are not translated yet need no further word, which may be long in coming.
            self._translating.wrote(())
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
            self._end_now(SessionError(Code.MOVING, "the server is shutting down; the stream can go on elsewhere"))

    async def drain(self) -> None:
        """The daemon stops: take no more audio, and finish what was received."""
        reason = SessionError(Code.DRAINING, "the server is shutting down; everything received is transcribed")
        await self._inbox.end(reason)

    def abandon(self) -> None:
        """The daemon stops and waits no longer: the client is to know that there are no more words."""
        if not self._life.over:
            reason = "the server is shutting down, and had no time to transcribe the rest"
            self._end_now(SessionError(Code.DRAINING, reason))

    def _end_now(self, error: SessionError) -> None:
        self._fail(error)
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Give everything back; what is not yet transcribed is abandoned."""
        self._place.close()
        self._alarm.relieve()
        self._metrics.guessed_speakers.inc(self._progress.guessed_speakers)
        if self._speakers is not None:
            self._speakers.close()
        if self._translating is not None:
            self._translating.close()
        if self._task is not None and self._freeing is not None:
            self._task.cancel()
            # An upload's decoder may still read its file, which is deleted behind this.
            await asyncio.wait({self._freeing}, timeout=FREEING_SECONDS if self.is_live else None)

    async def _run(self) -> None:
        try:
            try:
                await self._work()
            except Exception as error:
                reason = self._reason(error)
                if reason.code is Code.TOO_SLOW:
                    self._fail(reason)
                else:
                    # What was heard before the bad piece is still owed to the client.
                    await self._wind_up(reason)
        except Exception as error:
            self._fail(self._reason(error))

    def _reason(self, error: Exception) -> SessionError:
        """The error for the client; a defect goes to the log."""
        if isinstance(error, SessionError):
            return error
        logger.error("session %s failed", self.info.id, exc_info=error)
        return SessionError(Code.INTERNAL, f"internal error: {type(error).__name__}")

    async def _work(self) -> None:
        while not self._life.over:
            message = await self._inbox.next(self._options.idle_timeout_seconds)
            match message:
                case bytes():
                    await self._hear(self._hearing.decode(message))
                    self._note_seam()
                    self._progress.caught_up(idle=self._place.idle)
                case Flush():
                    self._hand_in(await self._hearing.flush())
                    await self._place.drained()
                    self._let_go()
                    if self._speakers is not None:
                        await self._speakers.settle()
                    self._inbox.flushed(message)
                    self._progress.flushed()
                case End():
                    await self._hear(self._hearing.finish())
                    await self._wind_up(None)
                    return

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
                events = await self._hearing.detect(heard)
                self._hand_in(events)
                # After the worker has what there is: judging takes a moment, for which words need not wait.
                if events and isinstance(events[-1], Pause):
                    await self._judge(events[-1].at)
                await self._catch_up()

    async def _judge(self, at: int) -> None:
        """Whether the turn is over whose last speech ended at `at`."""
        # A defect of the detector costs turns, never words.
        try:
            async with asyncio.timeout(JUDGING_SECONDS):
                turn_over = await self._hearing.judge(at)
        except TimeoutError:
            logger.error(
                "session %s: no word of the turn detector in %g s; no more pauses are judged",
                self.info.id,
                JUDGING_SECONDS,
            )
        except Exception:
            logger.exception("session %s: the turn detector failed; no more pauses are judged", self.info.id)
        else:
            if turn_over is not None:
                self._progress.judged(turn_over)
            return
        self._hearing.judge_no_more()

    def _ends_recording(self, error: SessionError) -> bool:
        """Whether `error` only means that a recording has ended. A client that still speaks must get the error."""
        recording = self._life.stage is not Stage.TAKING or not self.is_live
        return recording and error.code is Code.UNDECODABLE_AUDIO and self._hearing.clock > 0

    def _note(self, note: Note) -> None:
        self._progress.noted(note)
        logger.info("session %s: at %.1f s: %s: %s", self.info.id, seconds(note.start), note.code, note.message)

    def _hand_in(self, events: Iterable[SpeechEvent]) -> None:
        for event in events:
            self._progress.heard(event)
            if isinstance(event, Frame):
                self._metrics.speech_seconds.inc(seconds(len(event.samples)))
                self._alarm.heard(event)
            self._place.push(event)
            if self._speakers is not None:
                self._speakers.hand_in(event)

    def _note_seam(self) -> None:
        """Silence is settled as it is heard, and a client can forget it."""
        if self.resuming is not None:
            self._hearing.note_restarts()
            if self._look_quiet():
                self.resuming.silent(self._progress.received)
            if self.resuming.due:
                self._progress.tell()

    def _look_quiet(self) -> bool:
        """Whether nobody speaks and everything is transcribed, as `move` waits for."""
        quiet = self._progress.quiet(idle=self._place.idle)
        (self._quiet.set if quiet else self._quiet.clear)()
        return quiet

    async def _catch_up(self) -> None:
        """Wait until the backlog is within its limit. Raises `SessionError("too_slow")` when it stays above."""
        limit = self._options.max_blocked_seconds
        if self._speakers is not None:
            await self._speakers.room()
        if self._translating is not None:
            await self._translating.room()
        # An uploaded file waits as long as live sessions leave it no room: it is behind nobody's clock.
        try:
            async with asyncio.timeout(limit if self.is_live else None):
                await self._place.room(self._backlog_limit)
        except TimeoutError:
            raise SessionError(Code.TOO_SLOW, f"recognition has not caught up for {limit:g} s") from None

    async def _wind_up(self, error: SessionError | None) -> None:
        """Transcribe what is left, then finish."""
        if error is not None:
            self._life.fail(error)
        self._inbox.abandon()
        self._hand_in(await self._hearing.pause())
        await self._place.drained()
        self._let_go()
        if self._speakers is not None:
            await self._speakers.finish()
        if self._translating is not None:
            await self._translating.finish()
        self._life.finish()
        self._progress.tell()

    def _fail(self, error: SessionError) -> None:
        """End now: the recognition itself is gone."""
        self._life.fail(error)
        # What is wrong may be the words that wait, and the session has to end all the same.
        for release in (self._let_go, self._progress.speakers_failed):
            try:
                release()
            except SessionError:
                pass  # Of a filter, which has said so.
            except Exception:
                logger.exception("session %s: words that waited are lost", self.info.id)
        self._life.finish()
        self._place.close()
        self._inbox.abandon()
        self._progress.tell()

    # The worker's answers ------------------------------------------------------------------------------------

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome:
            case Commit():
                commit = self._in_order.follow(outcome)
                try:
                    self._write(self._rendering.render(commit))
                except SessionError as error:
                    self._on_outcome(error)
                    return
                self._alarm.listened(self._place.backlog)
                if self.resuming is not None:
                    self.resuming.committed(commit, self._waits_from)
                self._look_quiet()
                if self.is_live:
                    self._metrics.commit_lag.observe(seconds(self.lag))
            case SessionError():
                self._end_now(outcome)
            case _:
                raise outcome

    def _let_go(self) -> None:
        """Words that wait for what follows: nothing will. Raises `SessionError`."""
        self._write(self._rendering.release())

    @property
    def _waits_from(self) -> int | None:
        """Sample index where the first committed word that has not gone out began; None: all have."""
        waits = (self._rendering.waits_from, self._progress.waits_from)
        return min((at for at in waits if at is not None), default=None)

    def _write(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._progress.committed(commit)
            if commit.words:
                self._alarm.relieve()
            self._metrics.words.inc(len(commit.words))
