"""Everything between the transports and the model: made, changed while it works, and closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from wlkd.config import Config, read_continuation_keys, read_tokens
from wlkd.contract.components import Backend, Options
from wlkd.contract.host import Context
from wlkd.contract.types import Priority
from wlkd.daemon.running_backend import Recognition, make_backend
from wlkd.host.cpu import audio_threads, cores
from wlkd.inference.translation import TranslationService
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import Keys
from wlkd.sessions.filters import Filters
from wlkd.sessions.making import Parts
from wlkd.sessions.speakers import DiarizerService

logger = logging.getLogger(__name__)


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
        parts = await _parts(config, plugins, ctx, stack, metrics)
        recognition = await Recognition.open(config, make_backend(config, plugins), metrics, status)
        admission = Admission(config, plugins, parts, recognition.backend, recognition.worker, metrics, tokens, keys)
        core = Core(admission, recognition, metrics)
        if parts.translation is not None:
            parts.translation.give_way_to(lambda: min(worker.spare for worker in core.workers()))
        stack.push_async_callback(core.close)
        yield core


async def _parts(config: Config, plugins: Plugins, ctx: Context, stack: AsyncExitStack, metrics: Metrics) -> Parts:
    """Provision what sessions share besides the backend; `stack` closes it again."""

    async def provision(kind: str, name: str, options: Options) -> Any:
        component = plugins.component(kind, name)(options)
        stack.push_async_callback(component.close)
        await component.provision(ctx)
        return component

    def pool(threads: int, name: str) -> ThreadPoolExecutor:
        made = ThreadPoolExecutor(threads, thread_name_prefix=name)
        stack.callback(made.shutdown, wait=False, cancel_futures=True)
        return made

    threads = audio_threads(cores())
    # A file may take a thread for many seconds at once, where a live stream takes milliseconds.
    pools: dict[Priority, Executor] = {"live": pool(threads, "audio"), "upload": pool(threads // 2, "files")}
    decoders = {name: await provision("decoder", name, options) for name, options in config.decoders.items()}
    vad = await provision("vad", config.vad.name, config.vad.options)
    filters = {name: await provision("filter", name, options) for name, options in config.many("filters").items()}
    speakers = None
    if config.diarizer is not None:
        diarizer = await provision("diarizer", config.diarizer.name, config.diarizer.options)
        # Apart from recognition and VAD: a diarizer that is late must be late alone.
        speakers = DiarizerService(diarizer, pool(max(cores() // 2, 1), "speakers"))
    translation = None
    if (part := config.one("translator")) is not None:
        translation = TranslationService(await provision("translator", part.name, part.options), metrics)
        stack.push_async_callback(translation.close)
        await translation.start(warm_up=config.warmup)
    return Parts(decoders, vad, Filters(filters), pools, speakers, translation)
