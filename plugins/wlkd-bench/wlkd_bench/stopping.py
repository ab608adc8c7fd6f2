"""Measurements that start other programs, and stop them however they are ended themselves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_its_end(measurement: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`; SIGTERM and SIGHUP end it as Ctrl-C does, so that what it started is stopped.

    Raises `SystemExit` then.
    """
    caught: list[signal.Signals] = []

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await measurement

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise SystemExit(128 + caught[0]) from None
