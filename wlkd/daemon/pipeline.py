"""Everything between the transports and the model: made, changed while it works, and closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast

from wlkd.config import Config, read_continuation_keys, read_tokens
from wlkd.contract.components import Backend, Component, Decoder, Diarizer, Filter, Vad
from wlkd.contract.host import Context
from wlkd.contract.types import Priority
from wlkd.daemon.running_backend import Recognition, make_backend
from wlkd.host.cpu import audio_threads, cores
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import Keys
from wlkd.sessions.filters import Filters
from wlkd.sessions.speakers import DiarizerService

logger = logging.getLogger(__name__)
C = TypeVar("C", bound=Component[Any])


class Core:
    """See the module. `running_core` makes one."""

    def __init__(self, admission: Admission, recognition: Recognition, metrics: Metrics) -> None:
        self.admission = admission
        self.metrics = metrics
        self._recognition = recognition
        self._leaving: dict[Recognition, asyncio.Task[None]] = {}
        self._show(recognition)

    @property
    def backend(self) -> Backend:
        """The one in use."""
        return self._recognition.backend

    def workers(self) -> Iterable[Worker]:
        """Of the backend in use, and of those that still have sessions."""
        return [self._recognition.worker, *(old.worker for old in self._leaving)]

    def switch(self, recognition: Recognition) -> None:
        """New sessions get `recognition`; the one before is closed when its last session has ended."""
        old, self._recognition = self._recognition, recognition
        self._show(recognition)
        self.admission.switch(recognition.backend, recognition.worker)
        self._leaving[old] = asyncio.create_task(self._see_off(old), name="closing the replaced backend")

    async def close(self) -> None:
        """Close every backend."""
        leaving, self._leaving = self._leaving, {}
        for task in leaving.values():
            task.cancel()
        for recognition in (*leaving, self._recognition):
            await recognition.close()

    def _show(self, recognition: Recognition) -> None:
        """From now on the metrics are those of `recognition`."""
        worker = recognition.worker
        self.metrics.show_backend(recognition.registry)
        self.metrics.busy_ratio.set_function(lambda: worker.busy_ratio)
        self.metrics.chunk_seconds.set_function(lambda: worker.chunk_seconds)

    async def _see_off(self, old: Recognition) -> None:
        await old.worker.vacant()
        del self._leaving[old]
        await old.close()
        logger.info("closed the backend %s that a reload had replaced", old.name)


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
    tokens = read_tokens(config.auth.tokens_file)
    keys = Keys(read_continuation_keys(config.auth.continuation_key))
    ctx = Context(models_dir=config.models_dir, metrics=metrics.registry, status=status)
    async with AsyncExitStack() as stack:
        threads = audio_threads(cores())
        # A file may take a thread for many seconds at once, where a live stream takes milliseconds.
        pools: dict[Priority, ThreadPoolExecutor] = {
            "live": ThreadPoolExecutor(threads, thread_name_prefix="audio"),
            "upload": ThreadPoolExecutor(threads // 2, thread_name_prefix="files"),
        }
        for pool in pools.values():
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        async def provision(component: C) -> C:
            stack.push_async_callback(component.close)
            await component.provision(ctx)
            return component

        decoders: dict[str, Decoder] = {}
        for name, options in config.decoders.items():
            decoders[name] = await provision(cast(Decoder, plugins.component("decoder", name)(options)))
        vad = await provision(cast(Vad, plugins.component("vad", config.vad.name)(config.vad.options)))
        filters: dict[str, Filter] = {}
        for name, options in config.many("filters").items():
            filters[name] = await provision(cast(Filter, plugins.component("filter", name)(options)))
        speakers = None
        if config.diarizer is not None:
            make = plugins.component("diarizer", config.diarizer.name)
            diarizer = await provision(cast(Diarizer, make(config.diarizer.options)))
            # Apart from recognition and VAD: a diarizer that is late must be late alone.
            listeners = ThreadPoolExecutor(max(cores() // 2, 1), thread_name_prefix="speakers")
            stack.callback(listeners.shutdown, wait=False, cancel_futures=True)
            speakers = DiarizerService(diarizer, listeners)
        recognition = await Recognition.open(config, make_backend(config, plugins), metrics, status)
        admission = Admission(
            config,
            plugins,
            decoders,
            vad,
            Filters(filters),
            recognition.backend,
            recognition.worker,
            pools,
            metrics,
            tokens,
            keys,
            speakers,
        )
        core = Core(admission, recognition, metrics)
        stack.push_async_callback(core.close)
        yield core
