"""Every hook of wlkd: when it is called, what comes back, what happens on failure.

Hooks are synchronous and stay off the audio path. A plugin is an entry point in the group `wlkd` that names
a module, and one decorated function in it:

    from wlkd import hookimpl

    @hookimpl
    def wlkd_register_backends(register):
        register("mine", MyBackend)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from wlkd.errors import Problem
from wlkd.interfaces import Registry
from wlkd.types import SessionInfo, StreamOffer, Update

if TYPE_CHECKING:
    from wlkd.config import Config

hookspec = pluggy.HookspecMarker("wlkd")
hookimpl = pluggy.HookimplMarker("wlkd")


@hookspec
def wlkd_register_decoders(register: Registry) -> None:
    """Once, after loading. Call `register(name, cls)` for each `Decoder`.

    A name that is taken, or a class of another kind, is a `PluginError`: the plugin is left out, with a warning,
    or stops the start where the configuration names it.
    """


@hookspec
def wlkd_register_vads(register: Registry) -> None:
    """Once, after loading. Call `register(name, cls)` for each `Vad`. Failure: as for decoders."""


@hookspec
def wlkd_register_backends(register: Registry) -> None:
    """Once, after loading. Call `register(name, cls)` for each `Backend`. Failure: as for decoders."""


@hookspec
def wlkd_register_transports(register: Registry) -> None:
    """Once, after loading. Call `register(name, cls)` for each `Transport`. Failure: as for decoders."""


@hookspec
def wlkd_check_config(config: Config) -> list[Problem]:  # type: ignore[empty-body]
    """Before anything is provisioned, also for `wlkd check`. Pure: look at `config`, and at files at most.

    Returns the problems found. An exception counts as a problem of the plugin.
    """


@hookspec(firstresult=True)
def wlkd_choose_decoder(offer: StreamOffer) -> str | None:
    """Per session. Returns the name of the decoder for this offer, or None to pass.

    The first answer wins. An exception, an unknown name or silence from everybody ends that session with
    `bad_request`.
    """


@hookspec
def wlkd_session_opened(info: SessionInfo) -> None:
    """After a session opened. Observers are called one by one; an exception is logged and counted, no more."""


@hookspec
def wlkd_session_updated(info: SessionInfo, update: Update) -> None:
    """For each update that the session's transport takes: its transcript changed, speech began or ended, or the lag
    moved. Must return at once. Failure: as for `wlkd_session_opened`.
    """


@hookspec
def wlkd_session_closed(info: SessionInfo, reason: str) -> None:
    """After a session closed; `reason` is `finished`, `disconnected` or a `SessionError` code.

    Failure: as for `wlkd_session_opened`.
    """
