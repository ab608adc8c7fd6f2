"""The command line. Each subcommand is a module of `wlkd.cli`, imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence

from wlkd import __version__
from wlkd.host.build import build

SILENT = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Nothing leaves the machine: what libraries that plugins use must know before they are loaded."""
THRIFTY = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""Threads of the numerical libraries sleep while they wait for each other. By default they spin, for a millisecond each
time; on a machine that has anything else to do (the event loop, a second session's VAD) the spinning takes time
from the thread that it waits for, and a step takes five times as long. NumPy's always spin, for nothing, because its
matrices are small here: they took 30 % of a core while a diarizer caught up. oneDNN, inside PyTorch, keeps 64 kernels
and not 1,024: it makes one for each length of a window, and the memory of a lone stream grew with every new length. The
environment may say otherwise."""
ORDERLY = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""GPUs have the numbers that nvidia-smi shows; by default CUDA counts the fastest first."""

BROKEN_PIPE = 128 + signal.SIGPIPE
"""What shells report for a program whose output nobody reads any more."""

COMMANDS = {
    "run": "run the daemon",
    "check": "check the configuration without starting anything",
    "plugins": "list the installed plugins and what they bring",
    "transcribe": "transcribe files",
    "listen": "transcribe the microphone in the terminal",
}
"""Those of wlkd itself; plugins bring others."""


class _Version(argparse.Action):
    """`--version`; asks for the commit only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"wlkd {build(__version__)}")
        parser.exit()


def parser(command: str | None) -> argparse.ArgumentParser:
    """The command line, with the arguments of `command`."""
    root = argparse.ArgumentParser(
        prog="wlkd", description="Live speech-to-text on your own machine, as a system service."
    )
    root.add_argument("--version", action=_Version, nargs=0, help="print the version, and the commit it was made of")
    subparsers = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, module_name) in commands(command).items():
        sub = subparsers.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == command:
            module = importlib.import_module(module_name)
            sub.description = module.__doc__
            module.add_arguments(sub)
            sub.set_defaults(main=module.main, wrong=sub.error)
    return root


def commands(wanted: str | None) -> dict[str, tuple[str, str]]:
    """Summary and module of each subcommand, by name. Plugins are asked unless `wanted` is one of our own."""
    known = {name: (summary, f"wlkd.cli.{name}") for name, summary in COMMANDS.items()}
    if wanted not in COMMANDS:
        from wlkd.cli.brought import brought_commands

        brought = brought_commands(taken=COMMANDS).values()
        known |= {command.name: (command.summary, command.module) for command in brought}
    return known


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    os.environ.update(THRIFTY | ORDERLY | os.environ | SILENT)
    words = sys.argv[1:] if argv is None else list(argv)
    args, unknown = parser(next((word for word in words if not word.startswith("-")), None)).parse_known_args(words)
    if unknown:
        # By the subcommand, whose usage lists its options; argparse would print that of `wlkd` alone.
        args.wrong(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        status: int = args.main(args)
        return _flushed(status)
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        _leave_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if not _cannot_print():
            raise
        _leave_stdout()
        return _not_written(error)


def _flushed(status: int) -> int:
    """`status`, once all that was printed is written; where it cannot be, the status that says so."""
    try:
        print(end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _leave_stdout()
        return status or _not_written(error)
    return status


def _not_written(error: OSError) -> int:
    print(f"wlkd: what was printed cannot be written: {error.strerror}", file=sys.stderr)
    return os.EX_IOERR


def _cannot_print() -> bool:
    """Whether no line can be printed any more, as when the disk is full on which the output is kept."""
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def _leave_stdout() -> None:
    # Python would try once more at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nobody_reads() -> bool:
    """Whether the reader of our output has gone, as `head` does when it has enough."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


if __name__ == "__main__":
    sys.exit(main())
