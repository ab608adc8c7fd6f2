"""What several subcommands share: where the configuration is, and what the command line puts over it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wlkd.config import DEFAULT_PATH, Config, load_config, parse_setting
from wlkd.plugins import Plugins, load_plugins


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config FILE` and `--set PATH=VALUE`."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        type=_setting,
        metavar="PATH=VALUE",
        help="put a value over the file's, e.g. --set backend.options.model=small; may be repeated",
    )


def configured(
    args: argparse.Namespace, overrides: Mapping[str, Any] = {}, *, host: bool = False
) -> tuple[Config, Plugins]:
    """The configuration that `args` name, and the loaded plugins; with `host`, this machine is looked at too.

    Raises `ConfigError`.
    """
    plugins = load_plugins()
    return load_config(args.config, plugins, {**dict(args.settings), **overrides}, host=host), plugins


def _setting(text: str) -> tuple[str, Any]:
    try:
        return parse_setting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
