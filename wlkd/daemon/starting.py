"""Components on their way to work and back: a defect in one is told with its name."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wlkd.contract.components import Component
from wlkd.contract.errors import ConfigError, PluginError, ProvisionError

logger = logging.getLogger(__name__)


@contextmanager
def starting(component: Component[Any], method: str) -> Iterator[None]:
    """Around a call of `component.method()`. Raises `ProvisionError` for what it should not raise, and logs where."""
    try:
        yield
    except (ProvisionError, ConfigError, PluginError):
        raise
    except Exception as error:
        call = _call(component, method)
        logger.exception("%s failed", call)
        raise ProvisionError(f"{call} raised {type(error).__name__}: {error}") from error


async def closed(component: Component[Any]) -> None:
    """Close it. A defect in that is logged: it changes nothing about the others, or about how the daemon ends."""
    try:
        await component.close()
    except Exception:
        logger.exception("%s failed", _call(component, "close"))


def _call(component: Component[Any], method: str) -> str:
    return f"{type(component).__module__}.{type(component).__qualname__}.{method}()"
