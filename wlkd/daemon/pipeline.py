"""Everything between the transports and the model: made, changed while it works, and closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from wlkd.config import Config, read_continuation_keys, read_tokens
from wlkd.contract.components import Options
from wlkd.contract.host import Context
from wlkd.contract.types import Priority
from wlkd.daemon.running_engines import EngineSet, Opening, RunningEngine, open_engines
from wlkd.daemon.starting import closed, starting
from wlkd.daemon.threads import Pools
from wlkd.host.memory import available_bytes
from wlkd.inference.engines import Engine
from wlkd.inference.translation import TranslationService
from wlkd.inference.turns import Turns
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.admission import Admission
from wlkd.sessions.continuation import Keys
from wlkd.sessions.filters import Filters
from wlkd.sessions.making import Parts
from wlkd.sessions.script import load_tables
from wlkd.sessions.speakers import DiarizerService

logger = logging.getLogger(__name__)


class Core:
    """See the module. `running_core` makes one."""

    def __init__(self, admission: Admission, engines: EngineSet, turns: Turns, metrics: Metrics, pools: Pools) -> None:
        self.admission = admission
        self.metrics = metrics
        self.pools = pools
        """Where plugins are called for sessions."""
        self.turns = turns
        """How engines share the processors."""
        self.engines = engines
        """Those that new sessions get."""
        self._leaving: dict[RunningEngine, asyncio.Task[None]] = {}
        self._show()

    def workers(self) -> Iterable[Worker]:
        """The workers of the engines in use, and of those that still have sessions."""
        return [one.engine.worker for one in (*self.engines.all, *self._leaving)]

    def switch(self, engines: EngineSet) -> None:
        """New sessions get `engines`; those of before that are not among them are closed when their last session has
        ended."""
        old, self.engines = self.engines, engines
        self._show()
        self.admission.switch(engines.engines)
        for gone in set(old.all) - set(engines.all):
            name = f"closing the replaced engine {gone.engine.name}"
            self._leaving[gone] = asyncio.create_task(self._see_off(gone), name=name)

    async def give_back(self, engines: EngineSet) -> None:
        """Close those of `engines` that are not in use."""
        for one in set(engines.all) - set(self.engines.all):
            await one.close()

    async def close(self) -> None:
        """Close every engine."""
        leaving, self._leaving = self._leaving, {}
        for task in leaving.values():
            task.cancel()
        for one in (*leaving, *self.engines.all):
            await one.close()

    def _show(self) -> None:
        """From now on the metrics are those of the engines in use."""
        metrics = self.metrics
        metrics.show_backends(self.engines.registries)
        for engine in self.engines.engines:
            metrics.busy_ratio.labels(engine.name).set_function(partial(_busy, engine))
            metrics.chunk_seconds.labels(engine.name).set_function(partial(_chunk, engine))
            metrics.engine_capacity.labels(engine.name).set_function(partial(_capacity, engine))
            metrics.engine_fails_uploads.labels(engine.name).set_function(partial(_fails_uploads, engine))
            metrics.engine_sessions.labels(engine.name).set_function(partial(self.admission.sessions_at, engine))

    async def _see_off(self, old: RunningEngine) -> None:
        await old.engine.worker.vacant()
        del self._leaving[old]
        await old.close()
        logger.info("closed the backend %s (engine %s) that a reload had replaced", old.part.name, old.engine.name)


def _busy(engine: Engine) -> float:
    return engine.worker.busy_ratio


def _chunk(engine: Engine) -> float:
    return engine.worker.chunk_seconds


def _fails_uploads(engine: Engine) -> float:
    return engine.worker.fails_uploads


def _capacity(engine: Engine) -> float:
    return engine.capacity


@asynccontextmanager
async def running_core(
    config: Config, plugins: Plugins, status: Callable[[str], None] = logger.info
) -> AsyncIterator[Core]:
    """Provision every component but the transports, and start the engines; close everything again in reverse order.

    Raises `ProvisionError`; what was provisioned until then is closed.
    """
    metrics = Metrics()
    metrics.plugin_failures.set(len(plugins.failures))
    plugins.on_observer_error = lambda plugin: metrics.observer_errors.labels(plugin).inc()
    tokens = read_tokens(config.auth.tokens_file)
    keys = Keys(read_continuation_keys(config.auth.continuation_key))
    ctx = Context(models_dir=config.models_dir, metrics=metrics.registry, status=status)
    load_tables(config.recognition.chinese_script)
    async with AsyncExitStack() as stack:
        pools = Pools.start()
        stack.callback(pools.shutdown)
        for threads in pools.all():
            stuck = partial(threads.stuck, config.worker.stall_seconds)
            metrics.stuck_threads.labels(threads.name).set_function(stuck)
        parts = await _parts(config, plugins, ctx, stack, metrics, pools)
        turns = Turns()
        engines = await open_engines(Opening(config, plugins, metrics, turns, status, available_bytes))
        admission = Admission(config, plugins, parts, engines.engines, metrics, tokens, keys)
        core = Core(admission, engines, turns, metrics, pools)
        if parts.translation is not None:
            parts.translation.give_way_to(lambda: min(worker.spare for worker in core.workers()))
        stack.push_async_callback(core.close)
        yield core


async def _parts(
    config: Config, plugins: Plugins, ctx: Context, stack: AsyncExitStack, metrics: Metrics, pools: Pools
) -> Parts:
    """Provision what sessions share besides the engines; `stack` closes it again."""

    async def provision(kind: str, name: str, options: Options) -> Any:
        component = plugins.component(kind, name)(options)
        stack.push_async_callback(closed, component)
        with starting(component, "provision"):
            await component.provision(ctx)
        return component

    decoders = {name: await provision("decoder", name, options) for name, options in config.decoders.items()}
    vad = await provision("vad", config.vad.name, config.vad.options)
    filters = {name: await provision("filter", name, options) for name, options in config.many("filters").items()}
    speakers = None
    if config.diarizer is not None:
        diarizer = await provision("diarizer", config.diarizer.name, config.diarizer.options)
        speakers = DiarizerService(diarizer, pools.speakers)
    turn_detector = None
    if (part := config.one("turn_detector")) is not None:
        turn_detector = await provision("turn_detector", part.name, part.options)
    translation = None
    if (part := config.one("translator")) is not None:
        translator = await provision("translator", part.name, part.options)
        with starting(translator, "targets"):
            translation = TranslationService(translator, metrics)
        stack.push_async_callback(translation.close)
        await translation.start(warm_up=config.warmup)
    hearing: dict[Priority, Executor] = {"live": pools.audio, "upload": pools.files}
    return Parts(decoders, vad, Filters(filters), hearing, speakers, turn_detector, translation)
