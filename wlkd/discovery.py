"""Finds plugins through their entry points and imports them, each on its own. Light: the command line reads it too."""

from __future__ import annotations

import logging
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import ModuleType

GROUP = "wlkd"
"""Entry-point group, hook prefix and marker name."""

logger = logging.getLogger(__name__)


class ImportFailed(Exception):
    """A plugin's module cannot be imported; the message says why."""


def discover() -> dict[str, list[EntryPoint]]:
    """Entry points by name, in alphabetical order: what loads first does not depend on the file system."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, origin(point.dist))):
        found.setdefault(point.name, []).append(point)
    return found


def import_plugin(point: EntryPoint) -> ModuleType:
    """The module that `point` names. Raises `ImportFailed`, whatever the module did."""
    try:
        module: ModuleType = point.load()
        return module
    except (Exception, SystemExit) as error:
        logger.debug("plugin %s failed to import", point.name, exc_info=True)
        raise ImportFailed(f"failed to import: {reason(error)}") from error


def origin(distribution: Distribution | None) -> tuple[str, str]:
    """Name and version."""
    if distribution is None:
        return "unknown distribution", "?"
    return distribution.metadata["Name"], distribution.version


def reason(error: BaseException) -> str:
    """An exception in words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
