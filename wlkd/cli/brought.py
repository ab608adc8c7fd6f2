"""The subcommands that plugins bring. Loads nothing of the components beside them: `wlkd --help` must be quick."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

import pluggy

from wlkd import hookspecs
from wlkd.discovery import GROUP, ImportFailed, discover, import_plugin, origin, reason

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand."""

    name: str
    summary: str
    module: str
    """Imported when the command is asked for: `add_arguments(parser)`, `main(args)`, and its docstring is the help."""
    origin: tuple[str, str]
    """Name and version of its distribution."""


def brought_commands(taken: Collection[str] = ()) -> dict[str, Command]:
    """By name. A name in `taken`, or that two plugins bring, is left out with a warning, and so is a plugin that
    cannot be imported or raises."""
    found: dict[str, Command] = {}
    for name, points in discover().items():
        try:
            # Twins are told about by `wlkd plugins`; neither is loaded.
            staged = _commands_of(import_plugin(points[0]), name, origin(points[0].dist)) if len(points) == 1 else []
        except ImportFailed as error:
            logger.warning("plugin %s %s; its commands are left out", name, error)
            continue
        for command in staged:
            if command.name in taken or command.name in found:
                logger.warning('the command "%s" of plugin %s is taken; left out', command.name, name)
            else:
                found[command.name] = command
    return found


def _commands_of(module: object, plugin: str, distribution: tuple[str, str]) -> list[Command]:
    staged: list[Command] = []

    def register(name: str, summary: str, module: str) -> None:
        staged.append(Command(name, summary, module, distribution))

    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=plugin)
        manager.hook.wlkd_register_commands(register=register)
    except Exception as error:  # a plugin may raise anything; its commands are left out, with a warning
        logger.warning("plugin %s failed to register its commands: %s", plugin, reason(error))
        return []
    return staged
