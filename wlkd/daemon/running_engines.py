"""Backends at work: the models, their inference threads, their metrics. A reload keeps those that stay the same."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from wlkd.config.options import DEFAULT_ENGINE, Config, EnginePart, Part
from wlkd.contract.components import Backend
from wlkd.contract.errors import ProvisionError
from wlkd.contract.host import Context
from wlkd.contract.returned import languages
from wlkd.daemon.starting import closed, starting
from wlkd.host.cpu import cores
from wlkd.inference.engines import Engine, Engines
from wlkd.inference.turns import Turns
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics
from wlkd.plugins import Plugins
from wlkd.sessions.params import check_wishes

logger = logging.getLogger(__name__)

SESSIONS_PER_CORE = 4
"""What to expect where nothing is measured: a third of what base reaches on two small cores."""


@dataclass(frozen=True)
class Opening:
    """What it takes to load an engine, besides its name and options."""

    config: Config
    plugins: Plugins
    metrics: Metrics
    turns: Turns
    status: Callable[[str], None]
    free_memory: Callable[[], int | None] = lambda: None
    """Bytes that are free for a model beside those that run; None: not known."""


class RunningEngine:
    """Made by `open()`, given back by `close()`."""

    def __init__(self, part: Part, models_dir: Path, engine: Engine, registry: CollectorRegistry) -> None:
        self.part = part
        self.models_dir = models_dir
        self.engine = engine
        self.registry = registry
        """The backend's own metrics: one registry cannot take a second backend of the same kind."""
        self._stack = AsyncExitStack()

    @classmethod
    async def open(cls, name: str, part: Part, backend: Backend, opening: Opening) -> RunningEngine:
        """Load the model of `backend` and warm it up. Raises `ProvisionError`, with everything closed again."""
        config, status = opening.config, opening.status
        registry = CollectorRegistry()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(closed, backend)
            with starting(backend, "provision"):
                await backend.provision(Context(config.models_dir, registry, status))
            with starting(backend, "languages"):
                languages(backend.languages)
            expected = backend.concurrency if backend.waits else SESSIONS_PER_CORE * cores()
            # Those who wait for another machine leave this one's processors to the others.
            turns = None if backend.waits else opening.turns
            worker = Worker(backend, config.worker, opening.metrics, expected, name=name, turns=turns)
            stack.push_async_callback(worker.close)
            if config.warmup:
                status(f"warming up {part.name}" if name == DEFAULT_ENGINE else f"warming up the engine {name}")
            await worker.start(warm_up=config.warmup, measure=_to_measure(backend, config))
            model = str(part.options.model_dump().get("model", ""))
            running = cls(part, config.models_dir, Engine(name, backend, worker, part.name, model), registry)
            running._stack = stack.pop_all()
            return running

    def serves(self, part: Part, config: Config) -> bool:
        """Whether it is what `config` wants."""
        same = (self.part.name, self.part.options) == (part.name, part.options)
        return same and self.models_dir == config.models_dir

    async def close(self) -> None:
        """Stop the thread and give the model back; a second call does nothing."""
        await self._stack.aclose()


class EngineSet:
    """The engines of one configuration."""

    def __init__(self, running: Mapping[str, RunningEngine], routing: Mapping[str, str], missing: Mapping[str, str]):
        self._running = running
        self.missing = missing
        """Why some could not be loaded that need not be there, by name."""
        self.engines = Engines({name: one.engine for name, one in running.items()}, routing, missing)

    @property
    def all(self) -> Iterable[RunningEngine]:
        return self._running.values()

    @property
    def registries(self) -> Mapping[str, CollectorRegistry]:
        """The backends' metrics, by engine."""
        return {name: one.registry for name, one in self._running.items()}

    def kept(self, name: str, part: Part, config: Config) -> RunningEngine | None:
        """The engine `name`, if it is what `config` wants."""
        one = self._running.get(name)
        return one if one is not None and one.serves(part, config) else None


async def open_engines(opening: Opening, before: EngineSet | None = None) -> EngineSet:
    """Load what `before` does not have already. Raises `ProvisionError`, with everything new closed again."""
    config = opening.config
    running: dict[str, RunningEngine] = {}
    missing: dict[str, str] = {}
    async with AsyncExitStack() as new:
        for name, part in config.engines.items():
            kept = None if before is None else before.kept(name, part, config)
            if kept is not None:
                running[name] = kept
                continue
            try:
                running[name] = await _load(name, part, opening, beside=before is not None or bool(running))
            except Exception as error:
                if not isinstance(part, EnginePart):
                    raise
                if part.required:
                    raise ProvisionError(f"engines.{name}: {error}") from error
                logger.error("engines.%s: %s; the others go on without it", name, error)
                missing[name] = str(error)
            else:
                new.push_async_callback(running[name].close)
        found = EngineSet(running, config.routing, missing)
        check_wishes(config, found.engines)
        for one in found.all:
            # One that is kept may have had a fixed number of sessions up to now.
            if _to_measure(one.engine.backend, config):
                one.engine.worker.measure()
        new.pop_all()
        return found


def _to_measure(backend: Backend, config: Config) -> bool:
    """Whether to find out how many sessions `backend` keeps up with."""
    # Without the warm-up a self-test would measure just that; the first minutes correct the guess.
    return config.warmup and not backend.waits and config.sessions.max_sessions == "auto"


async def _load(name: str, part: Part, opening: Opening, *, beside: bool) -> RunningEngine:
    """`beside`: other models are loaded already."""
    backend = cast(Backend, opening.plugins.component("backend", part.name)(part.options))
    try:
        needed, free = backend.memory_needed(opening.config.models_dir), opening.free_memory()
    except OSError:
        needed, free = 0, None  # Its files cannot be looked at; `provision` says why, and the remedy.
    if beside and free is not None and needed > free:
        where = "backend: " if name == DEFAULT_ENGINE else ""
        raise ProvisionError(
            f"{where}the new model needs about {_gigabytes(needed)} beside the old one, and {_gigabytes(free)} "
            f"are free; `systemctl restart wlkd` gives the old one back first"
        )
    return await RunningEngine.open(name, part, backend, opening)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
