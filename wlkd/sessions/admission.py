"""Who may come in, and who is in: opens sessions for transports, within the limits of the configuration."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from wlkd.config.options import Config
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.errors import RETRY_AFTER_SECONDS, Code, SessionError, SessionRefused
from wlkd.contract.host import Capabilities, Occupancy, Session
from wlkd.contract.types import KnownSpeaker, Priority, StreamOffer
from wlkd.inference.engines import Engine, Engines
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.continuation import Continuation, Keys
from wlkd.sessions.making import Asked, Maker, Parts
from wlkd.sessions.resumption import Resumption
from wlkd.sessions.seats import Seat
from wlkd.sessions.session import LiveSession
from wlkd.sessions.tokens import Tokens
from wlkd.transports.conversation import is_lost

logger = logging.getLogger(__name__)

MOVE_SECONDS = 5.0
"""How long a stop waits for a pause, before it lets a client that can resume go in the middle of a sentence."""


class Admission:
    """See `wlkd.contract.host.Sessions`."""

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        parts: Parts,
        engines: Engines,
        metrics: Metrics,
        tokens: frozenset[str],
        keys: Keys,
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._metrics = metrics
        self._keys = keys
        self._tokens = Tokens(tokens, keys)
        self._resumption = Resumption(config, keys, metrics)
        self._maker = Maker(config, plugins, parts, engines, self._resumption, metrics)
        self._open: dict[LiveSession, float] = {}
        """When each was opened, by a clock that nobody sets."""
        self._addresses: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False
        metrics.sessions_limit.set_function(lambda: self.max_sessions)

    # For transports ------------------------------------------------------------------------------------------

    def languages(self) -> frozenset[str]:
        return self._engines.languages

    def capabilities(self) -> Capabilities:
        return self._maker.capabilities()

    def occupancy(self) -> Occupancy:
        return Occupancy(len(self._open), self.max_sessions, self.draining)

    def refusal(
        self, token: str | None = None, peer: str | None = None, *, resuming: bool = False
    ) -> SessionRefused | None:
        # A key opens sessions until it expires. One that it has opened goes on; `open` sees whether it is here.
        if not self._tokens.good(token, expired=resuming):
            return SessionRefused(Code.UNAUTHORIZED, "a valid token is required")
        if self.draining:
            return SessionRefused(Code.DRAINING, "the server is shutting down", RETRY_AFTER_SECONDS)
        if resuming:
            # It may have a place already. `open` sees.
            return None
        room = max(map(self._room, self._engines))
        if room <= 0:
            return self._full()
        each = self._config.sessions.max_sessions_per_address
        if each and peer is not None and self._addresses[peer] >= each:
            message = f"{each} sessions from {peer} are open already"
            return SessionRefused(Code.SERVER_FULL, message, RETRY_AFTER_SECONDS)
        return None

    def check(self, *, transport: str, peer: str, token: str | None = None, resuming: bool = False) -> None:
        refusal = self.refusal(token, peer, resuming=resuming)
        if refusal is not None:
            self._note(refusal, transport, peer)
            raise refusal

    def turned_away(self, error: SessionError, *, transport: str, peer: str) -> None:
        if not error.counted:
            self._note(error, transport, peer)

    def grant(self, token: str | None, seconds: int, note: str = "") -> tuple[str, int]:
        return self._tokens.grant(token, seconds, note)

    def note(self, token: str | None) -> str:
        return self._tokens.note(token)

    @asynccontextmanager
    async def open(
        self,
        offer: StreamOffer,
        *,
        transport: str,
        peer: str,
        query: dict[str, str] | None = None,
        token: str | None = None,
        priority: Priority = "live",
        resume: str | None = None,
        known_speakers: Sequence[KnownSpeaker] = (),
    ) -> AsyncIterator[Session]:
        asked = Asked(offer, transport, peer, query or {}, token, priority, resumable=resume is not None)
        if known_speakers:
            asked = await self._acquainted(asked, known_speakers)
        seat: Seat | None = None
        if resume is None:
            session = self._admit(asked)
        else:
            seat = self._seat(asked, resume)
            session = seat.session
        reason = "disconnected"
        try:
            if seat is not None:
                await seat.go_on()
            yield seat or session
            reason = session.outcome
        except SessionError as error:
            reason = error.code
            error.counted = True
            raise
        except Exception as error:
            if not is_lost(error):
                reason = Code.INTERNAL
            raise
        finally:
            dismiss = functools.partial(self._dismiss, session, reason)
            if seat is None:
                await dismiss()
            else:
                await self._resumption.leave(seat, reason, dismiss, wait=not self.draining)

    # For the daemon ------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> frozenset[LiveSession]:
        """Those who are in."""
        return frozenset(self._open)

    @property
    def max_sessions(self) -> int:
        """How many may be in: as configured, or what the default engine keeps up with beside those that are in, as far
        as is known now; in a drain those that are in, and nobody else."""
        return len(self._open) + (0 if self.draining else self._room(self._engines.default))

    def sessions_at(self, engine: Engine) -> int:
        """How many of those who are in are at `engine`."""
        return sum(session.engine is engine for session in self._open)

    @property
    def lag_seconds(self) -> float:
        """The largest lag of a live session."""
        return max((session.lag for session in self._open if session.is_live), default=0) / SAMPLE_RATE

    @property
    def drain_seconds(self) -> float:
        """What open sessions get at a stop, all together."""
        return self._config.sessions.linger_seconds + self._config.sessions.drain_seconds

    def apply(self, config: Config, tokens: frozenset[str], keys: Keys | None) -> dict[str, str]:
        """Admit by `config` from now on, with the present keys where there are no new ones. Open sessions keep what
        they came in with. Returns the options whose files hold something else than before, with what that is."""
        others = {} if self._tokens.are(tokens) else {"auth.tokens_file": "tokens"}
        if keys is not None and not keys.are(self._keys):
            others["auth.continuation_key"] = "keys"
        self._config = config
        self._keys = keys or self._keys
        self._tokens = Tokens(tokens, self._keys)
        self._maker.apply(config)
        self._resumption.apply(config, keys)
        return others

    @property
    def place(self) -> str:
        """Where new sessions are recognized, as the backends put it; may be empty."""
        return self._engines.place

    def switch(self, engines: Engines) -> None:
        """Give new sessions to `engines`. Open ones stay where they are."""
        self._maker.engines = engines

    async def drain(self) -> None:
        """Let clients that can resume go on elsewhere; end the audio of other live sessions where it is, after
        `sessions.linger_seconds`; uploads go on to their own end."""
        await self._resumption.send_away()
        moving = [session.move(MOVE_SECONDS) for session in self._open if session.can_move]
        await asyncio.gather(*moving, self._end_after_a_while())

    async def _end_after_a_while(self) -> None:
        await asyncio.sleep(self._config.sessions.linger_seconds)
        left = [session for session in self._open if session.is_live]
        await asyncio.gather(*(session.drain() for session in left if not session.can_move))

    async def drained(self) -> None:
        """Wait until nobody is in."""
        await self._empty.wait()

    # Inside --------------------------------------------------------------------------------------------------

    def _seat(self, asked: Asked, resume: str) -> Seat:
        """For a client that can resume; `resume`: the continuation that it brings, or nothing."""
        continuation: Continuation | None = None
        if resume:
            try:
                self._check(asked, resuming=True)
                continuation = self._resumption.opened(resume)
            except SessionError as error:
                self._note(error, asked.transport, asked.peer)
                raise
            if (seat := self._resumption.here(continuation, asked.peer)) is not None:
                return seat
            asked = replace(asked, offer=continuation.offer, query=continuation.wishes, continuation=continuation)
        session = self._admit(asked)
        return self._resumption.seat(session, continuation)

    async def _acquainted(self, asked: Asked, known: Sequence[KnownSpeaker]) -> Asked:
        """With the voices of those whom the client knows. Raises `SessionError`."""
        try:
            # Before anything is decoded for somebody who may not come in.
            self._check(asked)
            return replace(asked, known=await self._maker.voices(asked, known))
        except SessionError as error:
            self._note(error, asked.transport, asked.peer)
            raise

    def _admit(self, asked: Asked) -> LiveSession:
        try:
            self._check(asked)
            choice = self._maker.choose(asked)
            if self._room(choice.engine) <= 0:
                raise self._full(choice.engine)
            session = self._maker.make(asked, choice)
        except SessionError as error:
            if asked.continuation is None or error.code is not Code.BAD_REQUEST:
                self._note(error, asked.transport, asked.peer)
                raise
            # The client asked for nothing wrong, or not at all, as for a language that was detected: it may begin anew.
            refusal = self._resumption.impossible(asked.continuation, error)
            self._note(refusal, asked.transport, asked.peer)
            raise refusal from error
        info = session.info
        self._open[session] = time.monotonic()
        self._addresses[info.peer] += 1
        self._empty.clear()
        self._metrics.sessions_open.labels(info.transport).inc()
        logger.info(
            "session %s opened: transport=%s peer=%s language=%s engine=%s",
            info.id,
            info.transport,
            info.peer,
            info.params.language or "auto",
            session.engine.name,
        )
        self._plugins.notify("wlkd_session_opened", info=info)
        session.start()
        return session

    def _note(self, refusal: SessionError, transport: str, peer: str) -> None:
        refusal.counted = True
        self._metrics.sessions_refused.labels(refusal.code).inc()
        logger.info(
            "session refused: transport=%s peer=%s reason=%s (%s)", transport, peer, refusal.code, refusal.message
        )

    def _check(self, asked: Asked, *, resuming: bool = False) -> None:
        refusal = self.refusal(asked.token, asked.peer, resuming=resuming)
        if refusal is not None:
            raise refusal

    @property
    def _engines(self) -> Engines:
        return self._maker.engines

    def _room(self, engine: Engine) -> int:
        """How many more may come in to `engine`."""
        limit = self._config.sessions.max_sessions
        if limit != "auto":
            return limit - len(self._open)
        return self._engines.room(engine, Counter(session.engine for session in self._open))

    def _full(self, engine: Engine | None = None) -> SessionRefused:
        at = "" if engine is None or len(self._engines) == 1 else f" at the model {engine.name}"
        message = f"all {len(self._open)} sessions are taken{at}; try again later"
        return SessionRefused(Code.SERVER_FULL, message, RETRY_AFTER_SECONDS)

    async def _dismiss(self, session: LiveSession, reason: str) -> None:
        info = session.info
        lag = session.lag / SAMPLE_RATE
        if not session.unharmed:
            reason = session.outcome  # it may have failed while it waited for its client
        try:
            await session.close()
        finally:
            opened = self._open.pop(session)
            self._addresses[info.peer] -= 1
            self._addresses += Counter()  # drops the zeros, or every address ever seen stays
            if not self._open:
                self._empty.set()
            self._metrics.sessions_open.labels(info.transport).dec()
            self._metrics.sessions_closed.labels(info.transport, reason).inc()
            logger.info(
                "session %s closed: reason=%s after=%.1fs audio=%.1fs words=%d lag=%.1fs",
                info.id,
                reason,
                time.monotonic() - opened,
                session.received_seconds,
                session.words,
                lag,
            )
            self._plugins.notify("wlkd_session_closed", info=info, reason=reason)
