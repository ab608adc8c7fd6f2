"""Names of models: what clients ask for, and what `GET /v1/models` lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from wlkd.contract.host import Capabilities
from wlkd.transports.queries import engine_wish

HOSTED = r"whisper.*|gpt-.*"
"""OpenAI's own, which mean the default engine here, or that of the language."""


def model_wish(model: str, capabilities: Capabilities, listed: Sequence[str]) -> dict[str, str]:
    """What to ask of a session for a client that names `model`. `listed`: further names that mean no engine of their
    own. Raises `BadParameter`."""
    usual = re.compile("|".join([HOSTED, *map(re.escape, listed)]))
    return engine_wish(model, capabilities, usual)


def models(capabilities: Capabilities, listed: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every name that a client is told of, with what the engine behind it declares."""
    default, *further = capabilities.engines
    named = dict.fromkeys(listed, default)
    if further:
        named |= {engine.name: engine for engine in (default, *further)}
    return {
        name: {"id": name, "object": "model", "created": 0, "owned_by": "wlkd", "wlkd": asdict(engine)}
        for name, engine in named.items()
    }
