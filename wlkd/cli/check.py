"""Check the configuration without loading a model: prints every problem with its line, exits 78 if there is one."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from wlkd.cli.common import add_config_arguments, configured
from wlkd.cli.template import default_configuration
from wlkd.config import Config
from wlkd.errors import ConfigError
from wlkd.logs import complain
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
        sys.stdout.write(default_configuration(load_plugins().components))
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
    return (
        f"backend {config.backend.name}, vad {config.vad.name}, decoders {', '.join(config.decoders)}, "
        f"transports {', '.join(config.transports)}, port {config.server.port}{left_out}"
    )
