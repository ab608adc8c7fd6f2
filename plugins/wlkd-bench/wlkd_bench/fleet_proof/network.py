"""A network of this process alone: namespaces with addresses of their own, joined by a bridge."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence

INSIDE = "--inside"
"""The first argument of a process that `enter` has started."""
OWN_ADDRESS = "10.71.0.1"
NAMESPACES = "/run/netns"


def enter(module: str, programs: Sequence[str]) -> None:
    """Run `python -m module` again in namespaces of its own, with the arguments given to this process.

    Network, mounts and processes vanish with it, however it ends. Raises `SystemExit` where that is impossible.
    """
    if missing := [name for name in ("unshare", "nsenter", "ip", *programs) if shutil.which(name) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)} (Debian: util-linux iproute2 haproxy)")
    if os.geteuid() != 0:
        raise SystemExit("must run as root: it makes network namespaces")
    own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *own, sys.executable, "-m", module, INSIDE, *sys.argv[1:]])


class Network:
    """A bridge here, and a namespace behind it for each host."""

    async def open(self) -> None:
        """Make the bridge."""
        await run("mkdir", "-p", NAMESPACES)
        await run("mount", "-t", "tmpfs", "namespaces", NAMESPACES)
        await ip("link set lo up")
        await ip("link add bridge type bridge")
        await ip(f"addr add {OWN_ADDRESS}/24 dev bridge")
        await ip("link set bridge up")

    async def add(self, host: str, address: str) -> None:
        """A namespace with one interface."""
        await ip(f"netns add {host}")
        await ip(f"link add {host} type veth peer name eth0 netns {host}")
        await ip(f"link set {host} master bridge up")
        for command in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            await ip(f"-n {host} {command}")

    async def cut(self, host: str, seconds: float) -> None:
        """Nothing reaches `host`, nor comes from it, for so long; nobody is told."""
        await ip(f"link set {host} down")
        await asyncio.sleep(seconds)
        await ip(f"link set {host} up")


def inside(host: str) -> list[str]:
    """Put before a command, this runs it in the namespace of `host`, as the process that is started."""
    return ["nsenter", f"--net={NAMESPACES}/{host}", "--"]


async def ip(arguments: str) -> None:
    await run("ip", *arguments.split())


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise SystemExit(f"{' '.join(command)} failed")
