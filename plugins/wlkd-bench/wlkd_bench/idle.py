"""What do connections cost that say nothing? A daemon of its own, with 200 of them.

  .venv/bin/python -m wlkd_bench.idle -- --config etc/wlkd.yaml --set models_dir=$PWD/models

Arguments behind `--` go to `wlkd run`. Status 1: more than --max-cpu of a core, or --max-mib for each session.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from wlkd_bench.crowd import idle_connections
from wlkd_bench.daemon import daemon
from wlkd_bench.mistakes import told_plainly
from wlkd_bench.process import MIB, Usage, cpu_share, usage
from wlkd_bench.stopping import run_to_its_end


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look")
    parser.add_argument("--max-cpu", type=float, default=0.02, metavar="CORES")
    parser.add_argument("--max-mib", type=float, default=2.0, metavar="MIB")
    parser.add_argument("daemon", nargs="*", help="arguments of wlkd run")
    return parser.parse_args()


async def idle(args: argparse.Namespace) -> int:
    limits = ["--set", f"sessions.max_sessions={args.sessions}", "--set", "sessions.idle_timeout_seconds=3600"]
    async with daemon([*args.daemon, *limits]) as process:
        print(f"ready after {process.start_seconds:.1f} s")
        alone = await look(process.pid, 10.0)
        print(f"alone: {alone[1].resident_bytes / MIB:.0f} MiB, {100 * cpu_share(*alone):.2f} % of a core")
        async with idle_connections(process.asr, args.sessions):
            beside = await look(process.pid, args.seconds)
    share = cpu_share(*beside)
    each = (beside[1].resident_bytes - alone[1].resident_bytes) / MIB / args.sessions
    print(f"{args.sessions} idle sessions: {100 * share:.2f} % of a core in all, {each:.2f} MiB each")
    return 1 if share > args.max_cpu or each > args.max_mib else 0


async def look(pid: int, seconds: float) -> tuple[Usage, Usage]:
    """The process before and after this number of seconds, once what came before has settled."""
    await asyncio.sleep(3)
    before = usage(pid)
    await asyncio.sleep(seconds)
    return before, usage(pid)


if __name__ == "__main__":
    args = arguments()
    with told_plainly():
        sys.exit(run_to_its_end(idle(args)))
