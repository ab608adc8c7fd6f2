"""List what the installed plugins offer: components, commands, observers. Exits 1 if a plugin was left out, and says
why."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

from wlkd.cli.brought import brought_commands
from wlkd.contract.components import Backend, Component
from wlkd.discovery import discover, origin
from wlkd.plugins import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: plugins are installed and removed with pip."""


def main(args: argparse.Namespace) -> int:
    logging.getLogger("wlkd").setLevel(logging.ERROR)  # the table tells about failures
    plugins = load_plugins()
    rows = [("KIND", "NAME", "DISTRIBUTION", "STATUS")]
    rows += [
        (entry.kind, entry.name, f"{entry.distribution} {entry.version}", _status(entry.component))
        for entry in plugins.components
    ]
    rows += [("command", command.name, " ".join(command.origin), "ok") for command in brought_commands().values()]
    points = discover()
    rows += [("observer", name, " ".join(origin(points[name][0].dist)), "ok") for name in plugins.observers()]
    rows += [
        ("plugin", failure.plugin, f"{failure.distribution} {failure.version}", f"left out: {failure.reason}")
        for failure in plugins.failures
    ]
    print(table(rows))
    return 1 if plugins.failures else 0


def _status(component: type[Component[Any]]) -> str:
    return f"ok: {component.abilities}" if issubclass(component, Backend) else "ok"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """`rows` with their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
