"""One session's place at the inference worker: speech waits here until a step takes it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wlkd.contract.components import Recognizer, StepPlan
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import Commit, Frame, Pause, Priority, SpeechEvent

logger = logging.getLogger(__name__)

Outcome = Commit | Exception

HOLD_SECONDS = 1.0
"""For so long after a pause, which a VAD finds half a second after the last word, words that the backend left tentative
wait for speech to go on. Then they are committed as they are."""


class Host(Protocol):
    """What a stream needs of its worker."""

    def clock(self) -> float:
        """Seconds, monotonic."""
        ...

    def handed_in(self, stream: Stream, *, first: bool) -> None:
        """`stream` has something new, or is full; `first`: nothing was queued before."""

    def discard(self, stream: Stream) -> None:
        """Forget the closed `stream`."""


class Stream:
    """Event loop only, except the recognizer: inference threads only."""

    def __init__(
        self,
        host: Host,
        recognizer: Recognizer,
        priority: Priority,
        on_outcome: Callable[[Outcome], None],
        appetite: int = 0,
    ) -> None:
        """`appetite`: samples that a step likes to have; twice as many may wait, whatever the limit of the backlog."""
        self._host = host
        self._appetite = appetite
        self.recognizer = recognizer
        self.priority = priority
        self.on_outcome = on_outcome
        self._queue: deque[SpeechEvent] = deque()
        self._in_flight = 0
        self._closed = False
        self._changed = asyncio.Event()
        self.queued = 0
        """Samples that no step has taken yet."""
        self.pauses = 0
        """Pauses that no step has taken yet."""
        self.running = False
        """A step of this stream is at the backend."""
        self.waiting_since: float | None = None
        """When the oldest queued event came in, or was left over by a step; None: nothing is queued."""
        self.ready_since: float | None = None
        """When enough for a step was queued; None: it is not."""
        self.bridges_pauses = False
        """What the recognizer said of itself after its last step."""
        self.full = False
        """Somebody waits in `room` or `drained`: there will be nothing new before a step takes what is queued."""
        self._pause: Pause | None = None
        """Where speech paused; None while it goes on."""
        self._hold_until = 0.0
        """By the host's clock."""
        self._tentative = False
        """The last step left words tentative."""

    @property
    def backlog(self) -> int:
        """Samples of speech handed in and not yet through inference."""
        return self.queued + self._in_flight

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing running, no word held."""
        return not self._queue and not self.running and not self.holding

    @property
    def holding(self) -> bool:
        """The backend holds words from before a pause, and no speech has come since."""
        return self._pause is not None and self._tentative and not self._queue and not self.running

    def push(self, event: SpeechEvent) -> None:
        """Hand in speech, or a pause. Never blocks; await `room()` before the next. Void once closed."""
        if self._closed:
            return
        self._queue.append(event)
        if isinstance(event, Frame):
            self.queued += len(event.samples)
            self._pause = None
        else:
            self.pauses += 1
            self._pause = None if event.over else event
            self._hold_until = self._host.clock() + HOLD_SECONDS
        first = self.waiting_since is None
        if first:
            self.waiting_since = self._host.clock()
        self._host.handed_in(self, first=first)

    async def room(self, limit: int) -> None:
        """Wait until the backlog is below `limit` samples."""
        limit = max(limit, 2 * self._appetite)
        while self.backlog >= limit:
            await self._step_done()

    async def drained(self) -> None:
        """Wait until everything handed in has been through inference, and the words held at a pause too: no speech
        follows that they could wait for."""
        while not self.idle:
            self._let_go(self._pause)
            await self._step_done()

    async def _step_done(self) -> None:
        self.full = True
        try:
            self._host.handed_in(self, first=False)
            self._changed.clear()
            await self._changed.wait()
        finally:
            self.full = False

    def _let_go(self, pause: Pause | None) -> None:
        """Have the words before `pause` committed, if they are still held."""
        if pause is not None and pause is self._pause and self.holding:
            self.push(Pause(pause.at))

    def close(self) -> None:
        """Leave the worker. A step that is running is finished and its outcome dropped."""
        self._closed = True
        self._queue.clear()
        self._pause = None
        self.queued = self.pauses = 0
        self.waiting_since = self.ready_since = None
        self._host.discard(self)
        self._changed.set()

    def take(self, limit: int, spare: float = 1.0, *, over_pauses: bool = False) -> Step:
        """The next step: queued speech of up to `limit` samples, and no further than a pause.

        A recognizer that bridges pauses is not told of one that speech has followed, and its step goes on. With
        `over_pauses` each is told, and none ends the step. `spare`: the worker's time to spare, 0 to 1.
        """
        events: list[SpeechEvent] = []
        room = limit
        while self._queue:
            event = self._queue[0]
            if isinstance(event, Pause):
                self._queue.popleft()
                self.pauses -= 1
                if self.bridges_pauses and not event.over and self._queue and room:
                    continue
                events.append(event)
                if not over_pauses:
                    break
                continue
            if room == 0:
                break
            self._queue.popleft()
            if len(event.samples) > room:
                self._queue.appendleft(Frame(event.start + room, event.samples[room:]))
                event = Frame(event.start, event.samples[:room])
            events.append(event)
            room -= len(event.samples)
        self._in_flight = limit - room
        self.queued -= self._in_flight
        self.running = True
        # The rest is queued behind streams that have waited meanwhile, so that a backlog gets no priority.
        self.waiting_since = self._host.clock() if self._queue else None
        self.ready_since = None
        return Step(self, events, spare)

    def done(self, outcome: Outcome) -> None:
        """The step is over. Raises nothing: a listener's defect ends its own session, not the worker."""
        self._in_flight = 0
        self.running = False
        self._changed.set()
        if self._closed:
            return
        self._tentative = isinstance(outcome, Commit) and bool(outcome.tentative)
        if self.holding:
            wait = max(self._hold_until - self._host.clock(), 0.0)
            asyncio.get_running_loop().call_later(wait, self._let_go, self._pause)
        try:
            self.on_outcome(outcome)
        except Exception as error:
            logger.exception("an outcome could not be applied")
            self._give_up(SessionError(Code.INTERNAL, f"internal error: {type(error).__name__}"))

    def _give_up(self, error: SessionError) -> None:
        try:
            self.on_outcome(error)
        except Exception:
            logger.exception("a session could not be told that it failed")


@dataclass(frozen=True, slots=True)
class Step:
    """What one stream brings to a batch."""

    stream: Stream
    events: list[SpeechEvent]
    spare: float

    @property
    def plan(self) -> StepPlan:
        """The step as the backend gets it."""
        return StepPlan(self.stream.recognizer, self.spare, upload=self.stream.priority == "upload")

    @property
    def samples(self) -> int:
        """New speech in this step."""
        return sum(len(event.samples) for event in self.events if isinstance(event, Frame))


def waiting_since(stream: Stream) -> float:
    """When `stream`, which is due, began to wait."""
    assert stream.waiting_since is not None
    return stream.waiting_since
