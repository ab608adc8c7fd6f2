"""Streams that outlive their connections: who may go on, where, and under which name."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wlkd import __version__
from wlkd.config.options import Config
from wlkd.contract.errors import Code, SessionError
from wlkd.contract.types import SessionInfo
from wlkd.metrics import Metrics
from wlkd.sessions.beginning import Beginning
from wlkd.sessions.continuation import Continuation, ForeignContinuation, Keys
from wlkd.sessions.hearing import Hearing
from wlkd.sessions.resuming import Identity, Resuming
from wlkd.sessions.seats import Seat, Seats
from wlkd.sessions.session import LiveSession
from wlkd.sessions.transcript import Transcript

logger = logging.getLogger(__name__)

WORTH_WAITING = frozenset({"disconnected", "finished", "too_slow"})
"""Ways to lose a client that may come back."""


class Resumption:
    """What admission knows of resumable sessions."""

    def __init__(self, config: Config, keys: Keys, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seats = Seats()
        self._strangers: set[str] = set()
        """Of which the log has told."""
        self._keys = keys
        self.apply(config, keys)

    def apply(self, config: Config, keys: Keys | None) -> None:
        """Go by `config` from now on, and by `keys` where there are new ones."""
        self._wait_seconds = config.sessions.resume_seconds
        model = config.backend.options.model_dump().get("model", "")
        self._node = " ".join(filter(None, (f"wlkd {__version__}", config.backend.name, model)))
        self._keys = keys or self._keys

    # Coming --------------------------------------------------------------------------------------------------

    def opened(self, text: str) -> Continuation:
        """What a client brings. Raises `SessionError("cannot_resume")`."""
        try:
            continuation = self._keys.open(text)
        except ForeignContinuation as error:
            self._tell_once(error.remedy, "a client came with a continuation that is refused: %s", error.remedy)
            raise
        if continuation.node != self._node:
            message = "a client came from a machine with %s; this one has %s"
            self._tell_once(continuation.node, message, continuation.node, self._node)
        return continuation

    def impossible(self, continuation: Continuation, error: SessionError) -> SessionError:
        """The refusal for a stream that another machine took and this one does not, as `error` says."""
        remedy = "machines between which clients may move need the same configuration, models and plugins"
        message = "a client came from a machine with %s, and cannot go on here: %s; %s"
        self._tell_once(f"unlike {continuation.node}", message, continuation.node, error.message, remedy)
        return SessionError(Code.CANNOT_RESUME, f"cannot resume: another server took this stream: {error.message}")

    def _tell_once(self, stranger: str, message: str, *values: str) -> None:
        """The first time that one of its kind comes: a fleet whose machines differ would fill the log."""
        if stranger not in self._strangers:
            logger.warning(message, *values)
            self._strangers.add(stranger)

    def here(self, continuation: Continuation, peer: str) -> Seat | None:
        """The session itself, if it is here still and can go on."""
        if not self._seats.has(continuation.session):
            return None
        seat = self._seats.take_over(continuation.session, continuation.words)
        self._metrics.sessions_resumed.labels("here").inc()
        logger.info("session %s resumed: peer=%s", seat.info.id, peer)
        return seat

    def resuming(
        self,
        begin: Beginning,
        wishes: Mapping[str, str],
        info: SessionInfo,
        hearing: Hearing,
        transcript: Transcript,
        speakers: Callable[[], Mapping[str, Any]],
    ) -> Resuming:
        """What makes a session resumable, here and elsewhere."""
        # A name of its own even if it goes on with another one's stream: the other may wait still, with less in it.
        identity = Identity(secrets.token_hex(8), self._node, dict(wishes))
        return Resuming(
            identity,
            info,
            begin.taken_up,
            begin.seams(info.params),
            hearing,
            transcript,
            speakers,
            lambda one: self._keys.seal(one),
        )

    def seat(self, session: LiveSession, continuation: Continuation | None) -> Seat:
        """The first one of a session of this daemon."""
        if continuation is not None:
            self._metrics.sessions_resumed.labels("elsewhere").inc()
            logger.info("session %s goes on from %.1f s", session.info.id, session.received_seconds)
        return self._seats.give(session)

    # Going ---------------------------------------------------------------------------------------------------

    async def leave(self, seat: Seat, reason: str, dismiss: Callable[[], Awaitable[None]], *, wait: bool) -> None:
        """The connection is gone, for `reason`. `wait`: its client may find the session here."""
        if seat.lost:
            return
        worthwhile = reason in WORTH_WAITING and seat.named and not seat.delivered and seat.can_go_on
        if wait and worthwhile and self._wait_seconds:
            logger.info("session %s waits for its client: %s", seat.info.id, reason)
            self._seats.wait(seat, self._wait_seconds, dismiss)
        else:
            self._seats.forget(seat)
            await dismiss()

    async def send_away(self) -> None:
        """Sessions without a connection wait no longer: their clients can go on elsewhere."""
        await self._seats.send_away()
