"""Applies a changed configuration to the running daemon: all of it that can be applied, or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wlkd.config import Certificate, Config, read_continuation_keys, read_tokens
from wlkd.contract.errors import ConfigError, PluginError, ProvisionError
from wlkd.daemon.pipeline import Core
from wlkd.daemon.running_engines import Opening, open_engines
from wlkd.host.logs import set_up_logging
from wlkd.host.memory import available_bytes
from wlkd.plugins import Plugins
from wlkd.sessions.continuation import Keys

logger = logging.getLogger(__name__)

APPLIED = frozenset({"log_level", "sessions", "recognition", "auth", "routing"})
"""Sections that sessions opened from now on follow at once."""
SWITCHED = frozenset({"backend", "engines", "models_dir"})
"""A change here loads the new models beside the old ones. Every other section needs a restart."""


class Reload:
    """Knows the configuration in force. One `run()` at a time."""

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        core: Core,
        certificate: Certificate,
        read: Callable[[], Config],
        status: Callable[[str], None],
        free_memory: Callable[[], int | None] = available_bytes,
    ) -> None:
        self.config = config
        """In force: of sections that need a restart, what the daemon was started with."""
        self._plugins = plugins
        self._core = core
        self._certificate = certificate
        self._read = read
        self._status = status
        self._free_memory = free_memory

    async def run(self) -> bool:
        """Read the configuration and apply it. False: it cannot be used, and everything stays as it was."""
        try:
            # In a thread: plugins look at files while they check.
            new = await asyncio.to_thread(self._read)
            changed = sorted(differences(self.config.model_dump(mode="json"), new.model_dump(mode="json")))
            await self._apply(new, changed)
        except ConfigError as error:
            for problem in error.problems:
                logger.error("%s", problem)
        except (ProvisionError, PluginError) as error:
            logger.error("%s", error)
        except Exception:
            logger.exception("the reload failed")
        else:
            return True
        logger.error("reload refused: the configuration in force stays as it was")
        return False

    async def _apply(self, new: Config, changed: list[str]) -> None:
        """Everything that can fail comes first."""
        tokens = read_tokens(new.auth.tokens_file)
        kept = new.auth.continuation_key is None and self.config.auth.continuation_key is None
        keys = None if kept else Keys(read_continuation_keys(new.auth.continuation_key))
        self._certificate.check()
        core = self._core
        opening = Opening(self._in_force(new), self._plugins, core.metrics, core.turns, self._status, self._free_memory)
        # What stays the same is kept; what could not be loaded gets another try.
        engines = await open_engines(opening, core.engines)
        try:
            # Again: a certificate and its key may have been renewed one after the other while a model was loading.
            self._certificate.check()
            renewed = self._certificate.renew()
        except (ProvisionError, OSError):
            await core.give_back(engines)
            raise
        core.switch(engines)
        others = core.admission.apply(self._in_force(new), tokens, keys)
        if new.log_level != self.config.log_level:
            set_up_logging(new.log_level)
        self.config = self._in_force(new)

        applied = [path for path in changed if _section(path) in APPLIED | SWITCHED]
        waiting = [path for path in changed if path not in applied]
        # Files of the same name: the operator wants to know that they were read.
        applied += [f"the {content} in {option}" for option, content in others.items() if option not in applied]
        if renewed:
            applied.append("the certificate in server.tls_certificate")
        logger.info("reloaded: %s", f"changed {', '.join(applied)}" if applied else "no option changed")
        if waiting:
            logger.warning("a restart is needed for %s", ", ".join(waiting))

    def _in_force(self, new: Config) -> Config:
        sections = {name: value for name, value in new if name in APPLIED | SWITCHED}
        return self.config.model_copy(update=sections)


def differences(old: Any, new: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Dotted paths at which two plain values differ; of what only one has, its top."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {*old, *new}:
            if key in old and key in new:
                yield from differences(old[key], new[key], (*place, key))
            else:
                yield ".".join((*place, key))
    elif old != new:
        yield ".".join(place)


def _section(path: str) -> str:
    return path.partition(".")[0]
