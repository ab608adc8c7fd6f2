"""Waiting for what sends no event: asked for again and again, with an end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_SECONDS = 30.0
"""Far longer than any of it takes on a busy machine."""


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.03)


async def metric(base: str, name: str, **labels: str) -> float:
    """What the daemon at the address `base` tells Prometheus: the sum of the samples with these labels."""
    async with aiohttp.ClientSession() as http, http.get(f"{base}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def until_metric(base: str, name: str, value: float, **labels: str) -> None:
    """Wait until `metric` is `value`."""

    async def reached() -> bool:
        return math.isclose(await metric(base, name, **labels), value)  # a sum of seconds is not exact

    await until(reached)
