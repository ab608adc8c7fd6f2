"""The life of the daemon: provision, serve, drain, stop. An AsyncExitStack and nothing clever."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from wlkd.admin import add_admin_routes
from wlkd.admission import Admission
from wlkd.errors import ProvisionError
from wlkd.health import Health
from wlkd.http import HttpServer
from wlkd.interfaces import Backend, Component, Context, Decoder, Transport, Vad
from wlkd.metrics import Metrics
from wlkd.options import Config
from wlkd.plugins import Plugins
from wlkd.systemd import Notifier, inherited_sockets, watchdog_seconds
from wlkd.worker import Worker

logger = logging.getLogger(__name__)
C = TypeVar("C", bound=Component)

PATIENCE_SECONDS = 30.0
"""What each sign of life during start and stop asks systemd for."""
PROGRESS_SECONDS = 5.0
"""How often a long start or drain says what it is doing."""
SESSIONS_PER_CORE = 4


@dataclass(frozen=True)
class Core:
    """Everything between the transports and the model, at work."""

    admission: Admission
    worker: Worker
    backend: Backend
    metrics: Metrics


@asynccontextmanager
async def running_core(
    config: Config, plugins: Plugins, status: Callable[[str], None] = logger.info
) -> AsyncIterator[Core]:
    """Provision decoders, VAD and backend, start the worker; close everything again in reverse order.

    Raises `ProvisionError`; what was provisioned until then is closed.
    """
    metrics = Metrics()
    metrics.plugin_failures.set(len(plugins.failures))
    plugins.on_observer_error = lambda plugin: metrics.observer_errors.labels(plugin).inc()
    ctx = Context(models_dir=config.models_dir, metrics=metrics.registry, status=status)
    async with AsyncExitStack() as stack:
        pool = ThreadPoolExecutor(min(8, 2 * cores()), thread_name_prefix="audio")
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        async def provision(component: C) -> C:
            stack.push_async_callback(component.close)
            await component.provision(ctx)
            return component

        decoders: dict[str, Decoder] = {}
        for name, options in config.decoders.items():
            decoders[name] = await provision(cast(Decoder, plugins.component("decoder", name)(options)))
        vad = await provision(cast(Vad, plugins.component("vad", config.vad.name)(config.vad.options)))
        chosen = config.backend
        backend = await provision(cast(Backend, plugins.component("backend", chosen.name)(chosen.options)))

        worker = Worker(backend, config.worker, metrics)
        stack.push_async_callback(worker.close)
        if config.warmup:
            status(f"warming up {chosen.name}")
        await worker.start(warm_up=config.warmup)

        limit = config.sessions.max_sessions
        admission = Admission(
            config,
            plugins,
            decoders,
            vad,
            backend,
            worker,
            pool,
            metrics,
            read_tokens(config.auth.tokens_file),
            SESSIONS_PER_CORE * cores() if limit == "auto" else limit,
        )
        yield Core(admission, worker, backend, metrics)


class Daemon:
    """`wlkd run`: the core, its transports, and a systemd that knows how they are."""

    def __init__(self, config: Config, plugins: Plugins) -> None:
        self._config = config
        self._plugins = plugins
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._sockets = inherited_sockets()
        self.http = HttpServer(
            config.server.host,
            config.server.port,
            tls_context(config),
            config.sessions.max_message_bytes,
            self._sockets,
        )

    def stop(self) -> None:
        """Begin to drain, then end; a second call while draining ends at once."""
        self._stop.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped. `started` is called when clients can come. Raises `ProvisionError`."""
        async with AsyncExitStack() as stack:
            stack.callback(self._sockets.close)
            patience = asyncio.create_task(self._ask_for_patience())
            stack.callback(patience.cancel)
            core = await stack.enter_async_context(running_core(self._config, self._plugins, self._say))
            health = Health(core.worker, core.admission, core.metrics, self._config.worker.stall_seconds)
            transports = await self._start_transports(core, health, stack)
            for watch in (self._keep_systemd_informed(health), health.measure_loop_delay()):
                task = asyncio.create_task(watch)
                stack.callback(task.cancel)
            patience.cancel()
            health.ready = True
            self._notifier.status(health.status())
            self._notifier.ready()
            for host, port in self.http.addresses:
                logger.info("serving on %s:%d", host, port)
            started()
            await self._stop.wait()
            await self._drain(core, transports)
        logger.info("stopped")

    async def _start_transports(self, core: Core, health: Health, stack: AsyncExitStack) -> list[Transport]:
        stack.push_async_callback(self.http.close)
        ctx = Context(self._config.models_dir, core.metrics.registry, self._say)
        add_admin_routes(self.http.app(), core.metrics, health, self._plugins)
        transports: list[Transport] = []
        for name, options in self._config.transports.items():
            transport = cast(Transport, self._plugins.component("transport", name)(options))
            stack.push_async_callback(transport.close)
            await transport.provision(ctx)
            await transport.start(core.admission, self.http)
            transports.append(transport)
        await self.http.start()
        for address in self._sockets.untaken:
            logger.warning("nothing serves %s, which wlkd.socket listens on: clients would wait there", address)
        return transports

    async def _drain(self, core: Core, transports: list[Transport]) -> None:
        admission = core.admission
        deadline = self._config.sessions.drain_seconds
        self._notifier.stopping()
        admission.draining = True
        logger.info("draining: %d sessions to finish, at most %g s", len(admission.sessions), deadline)
        if self._sockets.activated:
            # The sockets stay open at systemd: who connects now is served by the next instance.
            await self.http.stop_accepting()
        for transport in transports:
            await transport.stop_accepting()
        self._stop.clear()
        ending = asyncio.create_task(admission.finish_all())
        naming = asyncio.create_task(self._name_what_remains(admission))
        hurry = asyncio.create_task(self._stop.wait())
        drained = asyncio.create_task(admission.drained())
        await asyncio.wait({drained, hurry}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, naming, hurry, drained):
            task.cancel()
        for session in admission.sessions:
            logger.warning("abandoned at the deadline: %s", session)

    async def _name_what_remains(self, admission: Admission) -> None:
        while True:
            self._notifier.extend_timeout(PATIENCE_SECONDS)
            await asyncio.sleep(PROGRESS_SECONDS)
            remaining = ", ".join(str(session) for session in admission.sessions)
            logger.info("draining: %d sessions remain: %s", len(admission.sessions), remaining)

    async def _ask_for_patience(self) -> None:
        while True:
            self._notifier.extend_timeout(PATIENCE_SECONDS)
            await asyncio.sleep(PROGRESS_SECONDS)

    async def _keep_systemd_informed(self, health: Health) -> None:
        interval = (watchdog_seconds() or 2.0) / 4
        while True:
            self._notifier.status(health.status())
            sick = health.sick_because()
            if sick is None:
                self._notifier.watchdog()
            else:
                logger.error("not feeding the watchdog: %s", sick)
            await asyncio.sleep(min(interval, 1.0))

    def _say(self, text: str) -> None:
        logger.info("%s", text)
        self._notifier.status(text)
        self._notifier.extend_timeout(PATIENCE_SECONDS)


async def serve(config: Config, plugins: Plugins) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the drain early."""
    daemon = Daemon(config, plugins)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def credential(path: Path) -> Path:
    """`path`, or the systemd credential (LoadCredential=) of that name when it is a bare name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) / path if folder and len(path.parts) == 1 else path


def read_tokens(path: Path | None) -> frozenset[str]:
    """One token a line; empty lines and lines that begin with # do not count. Raises `ProvisionError`."""
    if path is None:
        return frozenset()
    try:
        lines = credential(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ProvisionError(f"auth.tokens_file: cannot read {credential(path)}: {error.strerror}") from error
    tokens = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not tokens:
        raise ProvisionError(f"auth.tokens_file: {credential(path)} holds no token, so nobody could connect")
    return tokens


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The server's certificate and key, if configured. Raises `ProvisionError`."""
    server = config.server
    if server.tls_certificate is None or server.tls_key is None:
        return None
    certificate, key = credential(server.tls_certificate), credential(server.tls_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ProvisionError(f"cannot use certificate {certificate} with key {key}: {error}") from error
    return context
