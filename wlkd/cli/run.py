"""Run the daemon in the foreground until SIGTERM or Ctrl-C; this is what the systemd unit starts."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os

from wlkd.cli.common import add_config_arguments, configured
from wlkd.host.logs import complain, set_up_logging
from wlkd.host.memory import share_one_heap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("--port", type=int, help="listen on this port instead of the configured one")
    parser.add_argument("--host", help="listen on this address instead of the configured one")


def main(args: argparse.Namespace) -> int:
    share_one_heap()

    from wlkd.contract.errors import ConfigError, ProvisionError
    from wlkd.daemon.app import serve

    # Ended by the watchdog (SIGABRT), the journal shows where each thread was stuck.
    faulthandler.enable()
    overrides = {f"server.{name}": value for name in ("host", "port") if (value := getattr(args, name)) is not None}
    set_up_logging("info")
    try:
        config, plugins = configured(args, overrides)
        set_up_logging(config.log_level)
        asyncio.run(serve(config, plugins, lambda: configured(args, overrides)[0]))
    except ConfigError as error:
        complain(error)
        return os.EX_CONFIG
    except ProvisionError as error:
        complain(f"wlkd: {error}")
        return os.EX_UNAVAILABLE
