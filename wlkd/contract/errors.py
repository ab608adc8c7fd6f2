"""The three ways wlkd says no: to its operator, about a plugin, to one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from wlkd.contract.one_line import one_line


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration, with the place to go to and what to do there."""

    path: str
    """Dotted path of the option, e.g. `backend.options.beam_size`; empty for the whole file."""
    message: str
    """What is wrong and what to write instead."""
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used; carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PluginError(Exception):
    """A plugin cannot be loaded or registered; the message names its distribution."""


class ProvisionError(Exception):
    """A component cannot get what it needs (a model, a device, a port); the message says the remedy."""


class Code(StrEnum):
    """Why a session ends, or is not opened. Stable: clients act on it, and each transport says it in its own way.

    `docs/API.md` tells clients what to do about each. A transport must have an answer for every one of them.
    """

    BAD_REQUEST = "bad_request"
    """The client asks for what makes no sense here."""
    UNAUTHORIZED = "unauthorized"
    """No token, or an unknown one."""
    UNDECODABLE_AUDIO = "undecodable_audio"
    """Not the audio that was announced, or broken inside."""
    MESSAGE_TOO_BIG = "message_too_big"
    """More at once than the server holds for one client."""
    IDLE_TIMEOUT = "idle_timeout"
    """Nothing was sent for too long."""
    SERVER_FULL = "server_full"
    """All places are taken, or all that one address may have."""
    DRAINING = "draining"
    """The daemon is being stopped; what it received is delivered."""
    CANNOT_RESUME = "cannot_resume"
    """The continuation is forged, damaged, of another version, or of a server with another key: begin anew."""
    TAKEN_OVER = "taken_over"
    """The stream goes on over another connection."""
    MOVING = "moving"
    """The daemon is being stopped: the stream is to go on elsewhere."""
    TOO_SLOW = "too_slow"
    """The client did not read, or recognition could not keep up with it."""
    BACKEND_FAILED = "backend_failed"
    """Recognition failed for this stream."""
    INTERNAL = "internal"
    """A defect; the log says more than the message to the client."""


MOST_CHARACTERS = 4_000
"""Of a message. It may repeat what the client wrote, which may be megabytes, and goes to the log and into headers."""


class SessionError(Exception):
    """Ends one session, and no other. Raises `ValueError` for a code that `Code` does not know."""

    def __init__(self, code: str, message: str) -> None:
        message = one_line(message[: MOST_CHARACTERS + 1])
        if len(message) > MOST_CHARACTERS:
            message = f"{message[: MOST_CHARACTERS - 1]}…"
        super().__init__(message)
        self.code = Code(code)
        self.message = message
        self.counted = False
        """The metrics have it, as a refusal or as the end of a session, or it is a defect. Set by those who count."""


RETRY_AFTER_SECONDS = 10
"""How long a client that is turned away is asked to wait, where nothing else is known: about the time until somebody
stops speaking."""


class SessionRefused(SessionError):
    """A session that is not opened, for a reason that may be over after `retry_after_seconds`; None: it will not be."""

    def __init__(self, code: str, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_seconds = retry_after_seconds


class BadParameter(SessionError):
    """A parameter of a request whose value makes no sense; `name` tells which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(Code.BAD_REQUEST, message)
        self.name = name
