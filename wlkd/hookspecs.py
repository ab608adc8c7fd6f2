"""Every hook of wlkd: when it is called, what comes back, what happens on failure.

Hooks are synchronous and stay off the audio path. A plugin is an entry point in the group `wlkd` that names
a module, and one decorated function in it:

    from wlkd import hookimpl

    @hookimpl
    def wlkd_register_backends(register):
        register("mine", MyBackend)

Each kind of component has such a hook, `wlkd_register_<kind>s`: `registration_hooks` makes them of the table of kinds.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:  # for annotations; the command line reads this module too, and must be quick
    from wlkd.config.options import Config
    from wlkd.contract.components import Component
    from wlkd.contract.errors import Problem
    from wlkd.contract.kinds import Kind
    from wlkd.contract.types import SessionInfo, StreamOffer, Update

hookspec = pluggy.HookspecMarker("wlkd")
hookimpl = pluggy.HookimplMarker("wlkd")


class Registry(Protocol):
    """What `wlkd_register_*` hooks call."""

    def __call__(self, name: str, component: type[Component[Any]]) -> None: ...


class CommandRegistry(Protocol):
    """What `wlkd_register_commands` calls."""

    def __call__(self, name: str, summary: str, module: str) -> None: ...


def registration_hooks(kinds: Iterable[Kind]) -> ModuleType:
    """A specification of `wlkd_register_<kind>s(register)` for each of `kinds`."""
    hooks = ModuleType("registration_hooks")
    for kind in kinds:
        setattr(hooks, kind.hook, _registration_hook(kind))
    return hooks


def _registration_hook(kind: Kind) -> object:
    def register_components(register: Registry) -> None:
        pass

    register_components.__name__ = kind.hook
    register_components.__doc__ = f"""Once, after loading. Call `register(name, cls)` for each `{kind.base.__name__}`.

    A name that is taken, or a class of another kind, is a `PluginError`: the plugin is left out, with a warning,
    or stops the start where the configuration names it.
    """
    return hookspec(register_components)


@hookspec
def wlkd_register_commands(register: CommandRegistry) -> None:
    """When the command line asks for a subcommand that wlkd itself does not have, or for help.

    Call `register(name, summary, "package.module")` for each. The module is imported when its command is asked for;
    it has `add_arguments(parser)` and `main(args)`, which returns the exit status, and its docstring is the help.
    A name that is taken is left out with a warning. So is whatever a plugin that raises would have registered.
    """


@hookspec
def wlkd_check_config(config: Config) -> list[Problem]:  # type: ignore[empty-body]
    """Before anything is provisioned, also for `wlkd check`. Pure: look at `config`, and at files at most.

    Returns the problems found. An exception counts as a problem of the plugin.
    """


@hookspec
def wlkd_check_host(config: Config) -> list[Problem]:  # type: ignore[empty-body]
    """For `wlkd check` without `--no-host`, after `wlkd_check_config` found nothing: would `config` work here?

    Look at this machine: files, devices, ports. Load nothing. Returns the problems found, each with its remedy. An
    exception counts as a problem of the plugin.
    """


@hookspec(firstresult=True)
def wlkd_choose_decoder(offer: StreamOffer) -> str | None:
    """Per session. Returns the name of the decoder for this offer, or None to pass.

    The first answer wins. A `SessionError` refuses the client with its message; any other exception, an unknown name
    or silence from everybody ends that session with `bad_request`.
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
