"""A real daemon, in the event loop of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from wlkd.config import make_config
from wlkd.daemon.app import Daemon
from wlkd.plugins import load_plugins
from wlkd.testing.transports import free_port


@dataclass(frozen=True)
class RunningDaemon:
    """A daemon that serves on this machine."""

    daemon: Daemon
    port: int

    @property
    def http(self) -> str:
        """Base address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Base address for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"


@asynccontextmanager
async def running_daemon(values: Mapping[str, Any]) -> AsyncIterator[RunningDaemon]:
    """The daemon with the configuration `values`, in this event loop, on a free port; drained at the end.

    The backend is `scripted` unless `values` name one.
    """
    port = free_port()
    server = {"host": "127.0.0.1", "port": port, **values.get("server", {})}
    complete = {"backend": {"name": "scripted"}, "warmup": False, **values, "server": server}
    plugins = load_plugins()
    daemon = Daemon(make_config(complete, plugins), plugins)
    started = asyncio.Event()
    running = asyncio.create_task(daemon.run(started.set))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waiting.cancel()
        await running
    try:
        yield RunningDaemon(daemon, port)
    finally:
        daemon.stop()
        await running
