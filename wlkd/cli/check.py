"""Check the configuration without loading a model: prints every problem with its line, exits 78 if there is one."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from wlkd.cli.common import add_config_arguments, configured
from wlkd.config import Config
from wlkd.config.template import default_configuration
from wlkd.contract.errors import ConfigError
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


def main(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if args.print_default:
        sys.stdout.write(default_configuration((plugins := load_plugins()).components, plugins.kinds))
        return os.EX_OK
    try:
        config, plugins = configured(args)
    except ConfigError as error:
        complain(error)
        return os.EX_CONFIG
    print(f"{args.config}: ok: {summary(config, plugins)}")
    return os.EX_OK


def summary(config: Config, plugins: Plugins) -> str:
    """What would run, on one line."""
    left_out = f"; {len(plugins.failures)} plugins left out" if plugins.failures else ""
    used = [f"{kind.section} {', '.join(_names(config, kind)) or 'none'}" for kind in plugins.kinds.values()]
    return f"{', '.join(used)}, port {config.server.port}{left_out}"


def _names(config: Config, kind: Kind) -> list[str]:
    if kind.many:
        return list(config.many(kind.section))
    part = config.one(kind.section)
    return [part.name] if part else []
