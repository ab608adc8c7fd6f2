"""Check the configuration, and that this machine has what it needs, without loading a model.

Prints every problem with its line, and exits with 78 if there is one. `sudo -u wlkd wlkd check` sees what the service
sees; `--no-host` is for a file that another machine will use.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from typing import Any

from wlkd.cli.common import add_config_arguments, configured
from wlkd.config import Config, Part
from wlkd.config.messages import unknown_name
from wlkd.config.template import default_configuration
from wlkd.contract.errors import ConfigError, Problem
from wlkd.contract.kinds import Kind
from wlkd.host.logs import complain
from wlkd.plugins import Plugins, load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--print-default",
        action="store_true",
        help="print a configuration with every option of wlkd and of the installed plugins, and check nothing",
    )
    parser.add_argument(
        "--no-host", action="store_true", help="look at the file only, not at models, devices and ports of this machine"
    )
    parser.add_argument(
        "--get", metavar="PATH", help="print the value in force of one option, like models_dir, and check no host"
    )


def main(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if args.print_default:
        plugins = load_plugins()
        sys.stdout.write(default_configuration(plugins.components, plugins.kinds))
        return os.EX_OK
    try:
        config, plugins = configured(args, host=not (args.no_host or args.get))
        if args.get:
            print(value_at(config, args.get))
            return os.EX_OK
    except ConfigError as error:
        complain(error)
        return os.EX_CONFIG
    print(f"{args.config}: ok: {summary(config, plugins)}")
    return os.EX_OK


def value_at(config: Config, path: str) -> str:
    """The option at the dotted `path`, as the file would say it. Raises `ConfigError` with the names there are."""
    value: Any = config.model_dump(mode="json")
    for depth, name in enumerate(parts := path.split(".")):
        if not isinstance(value, dict) or name not in value:
            where = ".".join(parts[: depth + 1])
            known = value if isinstance(value, dict) else ()
            raise ConfigError([Problem(where, unknown_name(known, name))])
        value = value[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def summary(config: Config, plugins: Plugins) -> str:
    """What would run, on one line."""
    left_out = f"; {len(plugins.failures)} plugins left out" if plugins.failures else ""
    used = [f"{kind.section} {', '.join(_names(config, kind)) or 'none'}" for kind in plugins.kinds.values()]
    if further := [f"{name} ({part.name})" for name, part in config.many("engines").items() if isinstance(part, Part)]:
        used.append(f"engines {', '.join(further)}")
    return f"{', '.join(used)}, port {config.server.port}{left_out}"


def _names(config: Config, kind: Kind) -> list[str]:
    if kind.many:
        return list(config.many(kind.section))
    part = config.one(kind.section)
    return [part.name] if part else []
