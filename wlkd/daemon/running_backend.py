"""A backend at work: the model, its inference threads, its metrics. While a reload changes the model there are two."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

from prometheus_client import CollectorRegistry

from wlkd.config.options import Config
from wlkd.contract.components import Backend
from wlkd.contract.host import Context
from wlkd.host.cpu import cores
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.params import check_wishes

SESSIONS_PER_CORE = 4
"""What to expect where nothing is measured: a third of what base reaches on two small cores."""


def make_backend(config: Config, plugins: Plugins) -> Backend:
    """The configured backend, not yet provisioned."""
    return cast(Backend, plugins.component("backend", config.backend.name)(config.backend.options))


class Recognition:
    """Made by `open()`, given back by `close()`."""

    def __init__(self, name: str, backend: Backend, worker: Worker, registry: CollectorRegistry) -> None:
        self.name = name
        self.backend = backend
        self.worker = worker
        self.registry = registry
        """The backend's own metrics: one registry cannot take a second backend of the same kind."""
        self._stack = AsyncExitStack()

    @classmethod
    async def open(
        cls, config: Config, backend: Backend, metrics: Metrics, status: Callable[[str], None]
    ) -> Recognition:
        """Load the model and warm it up. Raises `ProvisionError`, with everything closed again."""
        registry = CollectorRegistry()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(backend.close)
            await backend.provision(Context(config.models_dir, registry, status))
            check_wishes(config, backend)
            expected = backend.concurrency if backend.waits else SESSIONS_PER_CORE * cores()
            worker = Worker(backend, config.worker, metrics, expected)
            stack.push_async_callback(worker.close)
            if config.warmup:
                status(f"warming up {config.backend.name}")
            # Without the warm-up a self-test would measure just that; the first minutes correct the guess.
            measure = config.warmup and not backend.waits and config.sessions.max_sessions == "auto"
            await worker.start(warm_up=config.warmup, measure=measure)
            recognition = cls(config.backend.name, backend, worker, registry)
            recognition._stack = stack.pop_all()
            return recognition

    async def close(self) -> None:
        """Stop the thread and give the model back; a second call does nothing."""
        await self._stack.aclose()
