"""What the daemon lends: to a component while it is provisioned, to a transport while it serves."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wlkd.contract.errors import SessionError, SessionRefused
from wlkd.contract.types import (
    Abilities,
    ChineseScript,
    KnownSpeaker,
    LanguageScope,
    Priority,
    SessionInfo,
    StreamOffer,
    TakenUp,
    Task,
    Update,
)
from wlkd.host.cpu import cores, inference_threads

if TYPE_CHECKING:  # for annotations; both are slow to import
    from aiohttp import web
    from prometheus_client import CollectorRegistry


@dataclass(frozen=True)
class Context:
    """What the daemon lends a component while it is provisioned."""

    models_dir: Path
    metrics: CollectorRegistry
    """Register your own metrics here, named `wlkd_<component>_<noun>_<unit>`."""
    status: Callable[[str], None]
    """Say what is going on, in words ("loading base on cpu"). Each call also asks systemd for patience."""
    threads: int = field(default_factory=lambda: inference_threads(cores()))
    """CPU threads for one inference, where the component's own options do not say."""


class Session(Protocol):
    """A client's stream, as its transport sees it."""

    @property
    def info(self) -> SessionInfo: ...

    @property
    def taken_up(self) -> TakenUp | None:
        """Where the client has to begin, in a resumable session."""
        ...

    async def feed(self, data: bytes) -> None:
        """Hand over bytes. Waits while the session is behind, so that the transport slows its client.

        Raises `SessionError` when the session has failed. Stop feeding then, but go on reading `updates()`:
        they deliver what was spoken before, and end with the same error.
        """
        ...

    async def flush(self) -> None:
        """Commit everything received so far and go on, as if the speaker had paused.

        Returns when that is done. The words come by `updates()`; the one that completes them counts this flush.
        """
        ...

    def change(self, query: Mapping[str, str]) -> None:
        """Write the words that come from now on as `query` says: `chinese_script`, `filters`, what the filters take.
        What it does not name stays as it is.

        Raises `BadParameter` for a value that makes no sense; the session goes on as before."""
        ...

    async def finish(self, mistake: SessionError | None = None) -> None:
        """The audio has ended. `updates()` goes on until everything is committed, then stops.

        `mistake`: it ends because of what the client did; `updates()` raises it after the last word.
        """
        ...

    def kept_waiting(self) -> AbstractContextManager[None]:
        """While it is entered the client is not idle, however long it sends nothing: another session of its own keeps
        it waiting."""
        ...

    def updates(self) -> AsyncIterator[Update]:
        """The transcript whenever it changed. A slow reader misses intermediate states, never words:
        what it did not fetch is merged into one update.

        Raises `SessionError` after the last word when the session failed, when the client made a mistake, and with
        `draining` when the daemon ended the audio: a client must not take that for its own end."""
        ...


class Sessions(Protocol):
    """Opens sessions for transports."""

    def open(
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
    ) -> AbstractAsyncContextManager[Session]:
        """A session for the length of an `async with`; leaving it early abandons what is not yet transcribed.

        `resume`: the session shall survive its connection, and its updates tell how (`Update.seam`); empty: it is a
        new one; else the continuation to go on from, in which case `offer` and `query` are those that it began with.
        Leaving it early then lets it wait for its client for a while.

        `query` holds the client's wishes by name: `language` (a code, tag or name, as the client wrote it),
        `languages` (those that detection may choose from, with commas), `task`, `initial_prompt`, `static_prompt`,
        `hotwords`, `model` (the name of an engine), `chinese_script` (else `language=zh-TW` says it), `diarize`,
        `max_speakers`, `target_language` (as the client wrote it), `filters` (`numbers,-profanity`), and what the
        filters take, each by its name. Other names are ignored.

        `known_speakers`: with `diarize`, people whose voices the client knows, four at most, each in a recording of 2
        to 10 s: the first is speaker 1, and so on.

        Raises `SessionError` (`unauthorized`, `server_full`, `draining`, `bad_request`, `cannot_resume`) on entry.
        """
        ...

    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that a session can be opened with, besides `auto`."""
        ...

    def occupancy(self) -> Occupancy:
        """How full the house is now."""
        ...

    def capabilities(self) -> Capabilities:
        """What a session can ask for now; a reload may change it."""
        ...

    def refusal(
        self, token: str | None = None, peer: str | None = None, *, resuming: bool = False
    ) -> SessionRefused | None:
        """Why a session would be refused now, without opening or counting anything; None: come in.

        `peer`: the client's address, as `open` would get it. `resuming`: it has a continuation, and with it perhaps a
        place already, however full it is, and although the key that opened its session has expired since."""
        ...

    def check(self, *, transport: str, peer: str, token: str | None = None, resuming: bool = False) -> None:
        """Turn a client away in time for an HTTP status; see `refusal`. Raises `SessionRefused`, counted and logged."""
        ...

    def turned_away(self, error: SessionError, *, transport: str, peer: str) -> None:
        """A client is told `error` by its transport: count and log it as a refusal. Void for what `open` or `check`
        raised, and for what ended a session: that is counted already. Void for a defect: the client did nothing."""
        ...

    def grant(self, token: str | None, seconds: int, note: str = "") -> tuple[str, int]:
        """A key that stands in for `token` for so long, for a page that cannot keep a secret; and the Unix time at
        which it expires. `note`: what `note()` says of it: up to 16 KiB, and to 5 KiB compressed.

        Raises `SessionRefused` (`unauthorized`); `BadParameter` for a longer note."""
        ...

    def note(self, token: str | None) -> str:
        """What was noted of a short-lived key that is good; else nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Places, as a load balancer wants to know them."""

    open: int
    """Sessions being served."""
    limit: int
    """Sessions admitted at most: as configured, or what the hardware keeps up with as far as is known."""
    draining: bool
    """The daemon stops: nobody comes in any more."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One of the models that sessions can ask for, and what it declares."""

    name: str
    """What clients call it."""
    backend: str
    model: str
    """What its options call it; may be empty."""
    languages: tuple[str, ...]
    """ISO 639-1 codes, sorted."""
    tasks: tuple[Task, ...]
    abilities: Abilities

    def __str__(self) -> str:
        """For people: what it is, and what it can do."""
        translates = ", translates into English" if "translate" in self.tasks else ""
        return f"{' '.join(filter(None, (self.backend, self.model)))}: {self.abilities}{translates}"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What sessions can ask for, so that a client offers only that."""

    languages: tuple[str, ...]
    """ISO 639-1 codes, sorted."""
    language: str
    """The configured one, which a session gets that asks for none: a code, or `auto`."""
    tasks: tuple[Task, ...]
    chinese_script: ChineseScript
    """The configured one."""
    diarization: bool
    """Speakers can be told apart."""
    target_languages: tuple[str, ...] = ()
    """What it translates into: ISO 639-1 codes, sorted."""
    engines: tuple[EngineInfo, ...] = ()
    """Those that can be asked for by name (`model`); the first is the default one."""
    language_scope: LanguageScope = "session"
    """The configured one."""


class Http(Protocol):
    """The shared HTTP server."""

    def app(self, host: str | None = None, port: int | None = None) -> web.Application:
        """The application that serves `host:port`, to add routes to; both None: the daemon's own address.

        Sub-paths are matched after repeated slashes are collapsed. To be called in `Transport.start` only:
        listening begins when every transport has started.
        """
        ...

    def bound_socket(self, host: str, port: int) -> socket.socket:
        """A socket bound to `host:port`, for a transport that speaks TCP itself: the one that systemd holds for
        that port, or a new one. Hand it to `asyncio.start_server(..., sock=...)`; from then on it is yours to close.

        To be called in `Transport.start` only. Raises `ProvisionError` when the address is taken.
        """
        ...
