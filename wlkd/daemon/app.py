"""The life of the daemon: provision, serve, drain, stop. An AsyncExitStack and nothing clever."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, NoReturn, cast

from wlkd import __version__
from wlkd.config import Certificate
from wlkd.config.options import Config
from wlkd.contract.components import Transport
from wlkd.contract.host import Context
from wlkd.daemon.admin import add_admin_routes
from wlkd.daemon.health import Health
from wlkd.daemon.listeners import HttpServer
from wlkd.daemon.pipeline import Core, running_core
from wlkd.daemon.reload import Reload
from wlkd.daemon.starting import closed, starting
from wlkd.host.addresses import with_port
from wlkd.host.build import build
from wlkd.host.memory import keep_giving_back
from wlkd.host.systemd import Notifier, inherited_sockets, watchdog_seconds
from wlkd.plugins import Plugins

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 30.0
"""What each sign of life during start and stop asks systemd for."""
PROGRESS_SECONDS = 5.0
"""How often a long start or drain says what it is doing."""
ACCEPTED_SECONDS = 0.1
"""Whoever was accepted just before a drain has opened a session by then."""
LONGEST_START_SECONDS = 900.0
"""A start that takes longer hangs: large-v3 from a slow disk takes a minute or two."""


class Daemon:
    """`wlkd run`: the core, its transports, and a systemd that knows how they are."""

    def __init__(self, config: Config, plugins: Plugins, read_config: Callable[[], Config] | None = None) -> None:
        """`read_config` gives the configuration anew, for `reload()`; it may raise `ConfigError`."""
        self._config = config
        self._plugins = plugins
        self._read_config = read_config or (lambda: config)
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._sockets = inherited_sockets()
        self._certificate = Certificate(config.server.tls_certificate, config.server.tls_key)
        self.http = HttpServer(
            config.server.host,
            config.server.port,
            self._certificate.context,
            config.server.allowed_origins,
            self._sockets,
        )

    def stop(self) -> None:
        """Begin to drain, then end; a second call while draining ends at once."""
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration anew and apply it, as soon as the daemon is ready."""
        self._reload.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped. `started` is called when clients can come. Raises `ProvisionError`."""
        logger.info("wlkd %s", build(__version__))
        async with AsyncExitStack() as stack:
            stack.callback(self._sockets.close)
            start = asyncio.create_task(self._start(stack))
            if not await self._has_started(start):
                self._notifier.stopping()
                logger.info("stopped while starting")
                return
            core, transports, health = start.result()
            reloading = asyncio.create_task(self._reload_on_demand(core))
            stack.callback(reloading.cancel)
            health.ready = True
            self._notifier.status(health.status())
            self._notifier.ready()
            for host, port in self.http.addresses:
                logger.info("serving on %s", with_port(host, port))
            started()
            await self._stop.wait()
            reloading.cancel()
            await self._drain(core, transports)
        logger.info("stopped")

    async def _has_started(self, start: asyncio.Task[tuple[Core, list[Transport], Health]]) -> bool:
        """Wait for the end of `start`. False: `stop` was called before, and the start is given up."""
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if start.done():
            return True
        start.cancel()
        await asyncio.wait({start})
        return False

    async def _start(self, stack: AsyncExitStack) -> tuple[Core, list[Transport], Health]:
        # Loading a model may take minutes: a port that is taken is told before.
        self.http.check_port()
        patience = asyncio.create_task(self._ask_for_patience())
        try:
            core = await stack.enter_async_context(running_core(self._config, self._plugins, self._say))
            stall_seconds = self._config.worker.stall_seconds
            health = Health(core.workers, core.admission, core.metrics, core.pools, stall_seconds)
            transports = await self._start_transports(core, health, stack)
        finally:
            patience.cancel()
        for watch in (
            self._keep_systemd_informed(health),
            health.measure_loop_delay(),
            health.watch_threads(),
            keep_giving_back(),
        ):
            task = asyncio.create_task(_telling(watch))
            stack.callback(task.cancel)
        return core, transports, health

    async def _start_transports(self, core: Core, health: Health, stack: AsyncExitStack) -> list[Transport]:
        stack.push_async_callback(self.http.close)
        ctx = Context(self._config.models_dir, core.metrics.registry, self._say)
        add_admin_routes(self.http.app(), core.metrics, health, self._plugins, core.admission)
        core.metrics.expect(self._config.transports)
        transports: list[Transport] = []
        for name, options in self._config.transports.items():
            transport = cast(Transport, self._plugins.component("transport", name)(options))
            stack.push_async_callback(closed, transport)
            with starting(transport, "provision"):
                await transport.provision(ctx)
            with starting(transport, "start"):
                await transport.start(core.admission, self.http)
            transports.append(transport)
        await self.http.start()
        for address in self._sockets.untaken:
            logger.warning("nothing serves %s, which wlkd.socket listens on: clients would wait there", address)
        return transports

    async def _reload_on_demand(self, core: Core) -> None:
        reload = Reload(self._config, self._plugins, core, self._certificate, self._read_config, self._say)
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
            await reload.run()
            self._notifier.ready()

    async def _drain(self, core: Core, transports: list[Transport]) -> None:
        # From here on a signal means: hurry.
        self._stop.clear()
        admission = core.admission
        deadline = admission.drain_seconds
        self._notifier.stopping()
        self._notifier.extend_timeout(deadline + PATIENCE_SECONDS)
        # Where systemd keeps our sockets, the next instance serves who connects from now on, and this one who was
        # accepted just before. Elsewhere another machine takes newcomers, as soon as they are refused.
        admission.draining = not self._sockets.activated
        if self._sockets.activated:
            await self.http.stop_accepting()
        for transport in transports:
            try:
                await transport.stop_accepting()
            except Exception:
                # A defect of a plugin must not cost the words of those who are served.
                logger.exception("%s.stop_accepting() failed", type(transport).__qualname__)
        if self._sockets.activated:
            await asyncio.sleep(ACCEPTED_SECONDS)
        admission.draining = True
        logger.info("draining: %d sessions to finish, at most %g s", len(admission.sessions), deadline)
        ending = asyncio.create_task(admission.drain())
        naming = asyncio.create_task(self._name_what_remains(core))
        hurry = asyncio.create_task(self._stop.wait())
        drained = asyncio.create_task(admission.drained())
        await asyncio.wait({drained, hurry}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, naming, hurry, drained):
            task.cancel()
        for session in admission.sessions:
            logger.warning("abandoned at the deadline: %s", session)
            session.abandon()

    async def _name_what_remains(self, core: Core) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            sessions = core.admission.sessions
            # Again and again: some systems bound what one message may ask for.
            self._notifier.extend_timeout(core.admission.drain_seconds + PATIENCE_SECONDS)
            logger.info("draining: %d sessions remain: %s", len(sessions), ", ".join(map(str, sessions)))

    async def _ask_for_patience(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + LONGEST_START_SECONDS:
            self._notifier.extend_timeout(PATIENCE_SECONDS)
            await asyncio.sleep(PROGRESS_SECONDS)
        logger.error("the start hangs; waiting for systemd to end it")

    async def _keep_systemd_informed(self, health: Health) -> None:
        interval = min((watchdog_seconds() or 4.0) / 4, 1.0)
        while True:
            self._notifier.status(health.status())
            sick = health.sick_because()
            if sick is None:
                self._notifier.watchdog()
                await asyncio.sleep(interval)
            else:
                # Nothing gets better by waiting until the watchdog is hungry.
                logger.critical("%s: asking systemd for a restart", sick)
                self._notifier.trigger_watchdog()
                await asyncio.sleep(PROGRESS_SECONDS)

    def _say(self, text: str) -> None:
        logger.info("%s", text)
        self._notifier.status(text)
        self._notifier.extend_timeout(PATIENCE_SECONDS)


async def _telling(watch: Coroutine[Any, Any, None]) -> None:
    """`watch`, which goes on for ever; a defect that ends it is logged."""
    try:
        await watch
    except Exception:
        # Nobody awaits this task, and systemd, which is not fed any more, says nothing of the reason.
        logger.exception("a task that keeps watch has ended")


async def serve(config: Config, plugins: Plugins, read_config: Callable[[], Config]) -> NoReturn:
    """Run the daemon until SIGTERM or SIGINT, then end the process; a second signal ends the drain early.

    SIGHUP reloads, except on a terminal, where it means that the terminal is gone. Raises `ProvisionError`.
    """
    daemon = Daemon(config, plugins, read_config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    if not os.isatty(0):
        loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()
    # Everything is closed. The interpreter would wait for its threads, and one may be stuck in inference for ever.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(os.EX_OK)
