"""How far a session has come: it takes audio, then ends, then is over. Every end goes this way."""

from __future__ import annotations

import asyncio
from enum import Enum

from wlkd.contract.errors import Code, SessionError


class Stage(Enum):
    """In this order; a session never goes back."""

    TAKING = "audio is taken"
    ENDING = "no more audio is taken; the words of what was received are still to come"
    OVER = "no more words will come"


class Life:
    """One session's stages, and what ended it."""

    def __init__(self) -> None:
        self.stage = Stage.TAKING
        self.error: SessionError | None = None
        """What went wrong; None: nothing did."""
        self.failed = asyncio.Event()
        """There is an `error`."""
        self._reason: SessionError | None = None

    def end(self, reason: SessionError | None) -> None:
        """The audio ends and every word of it still comes: because of `reason`, or because the client says so. Void if
        it had ended before."""
        if self.stage is Stage.TAKING:
            self.stage, self._reason = Stage.ENDING, reason

    def fail(self, error: SessionError) -> None:
        """The audio ends because something went wrong. The first error is what counts."""
        self.error = self.error or error
        self.failed.set()
        if self.stage is Stage.TAKING:
            self.stage = Stage.ENDING

    def finish(self) -> None:
        """The last word is out, or will never come."""
        self.stage = Stage.OVER

    @property
    def over(self) -> bool:
        return self.stage is Stage.OVER

    @property
    def complete(self) -> bool:
        """Every word of the audio was delivered."""
        return self.over and self.error is None

    @property
    def reason(self) -> SessionError | None:
        """What the client is to be told after the last word; None: it has ended the audio itself."""
        return self.error or self._reason

    @property
    def outcome(self) -> str:
        """For metrics and logs, once the client has gone: how the session ended."""
        if self.reason is not None:
            return self.reason.code
        return "finished" if self.over else "disconnected"

    def check(self) -> None:
        """Raises what a client that sends audio is to be told."""
        if self.reason is not None:
            raise self.reason
        if self.stage is not Stage.TAKING:
            raise SessionError(Code.BAD_REQUEST, "audio after the end of the stream")
