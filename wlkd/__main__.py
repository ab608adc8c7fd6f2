"""The command line. Each subcommand lives in `wlkd.cli` and is imported only when its parser is needed."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = ("run", "check", "plugins", "models", "transcribe", "listen", "bench")


def parser() -> argparse.ArgumentParser:
    """The whole command line, every subcommand included."""
    root = argparse.ArgumentParser(
        prog="wlkd", description="Live speech-to-text on your own machine, as a system service."
    )
    root.add_argument("--version", action="version", version=f"wlkd {importlib.import_module('wlkd').__version__}")
    subparsers = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"wlkd.cli.{name}")
        sub = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(main=module.main)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    args = parser().parse_args(argv)
    status: int = args.main(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
