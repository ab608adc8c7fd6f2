"""How far a session has come: it takes audio, then ends, then is over. Every end goes this way."""

from __future__ import annotations

from enum import Enum

from wlkd.contract.errors import SessionError


class Stage(Enum):
    """In order; there is no way back."""

    TAKING = "audio is taken"
    ENDING = "no more audio is taken; the words of what was received are still to come"
    OVER = "no more words will come"


class Life:
    """One session's stages, and what ended it."""

    def __init__(self) -> None:
        self.stage = Stage.TAKING
        self.error: SessionError | None = None
        """What went wrong; None: nothing did."""
        self._refusal: SessionError | None = None

    def end(self, refusal: SessionError) -> bool:
        """The audio ends in good order; more of it gets `refusal`. False: it had ended before."""
        if self.stage is not Stage.TAKING:
            return False
        self.stage, self._refusal = Stage.ENDING, refusal
        return True

    def fail(self, error: SessionError) -> None:
        """The audio ends because something went wrong. The first error is what counts."""
        self.error = self.error or error
        if self.stage is Stage.TAKING:
            self.stage = Stage.ENDING

    def finish(self) -> None:
        """The last word is out, or will never come."""
        self.stage = Stage.OVER

    @property
    def over(self) -> bool:
        return self.stage is Stage.OVER

    @property
    def outcome(self) -> str:
        """For metrics and logs, once the client has gone: how the session ended."""
        if self.error is not None:
            return self.error.code
        return "finished" if self.over else "disconnected"

    def check(self) -> None:
        """Raises what a client that sends audio is to be told."""
        refusal = self.error or self._refusal
        if refusal is not None:
            raise refusal
