"""The three ways wlkd says no: to its operator, about a plugin, to one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


class SessionError(Exception):
    """Ends one session, and no other. `code` is stable and goes to the client; see `docs/API.md`.

    Codes: `bad_request`, `unauthorized`, `server_full`, `draining`, `undecodable_audio`,
    `message_too_big`, `idle_timeout`, `too_slow`, `backend_failed`, `internal`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
