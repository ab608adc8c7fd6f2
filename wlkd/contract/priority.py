"""Work that lets recognition go first, on the processors."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOWEST_PRIORITY = 19
"""As `nice` counts."""
SMALL_SHARE = 10
"""A tenth of the weight that recognition has, where it could use the whole machine. With the lowest priority more
labels are wrong, and words come no sooner (docs/speakers.md has the figures)."""


def give_way(work: str, priority: int = LOWEST_PRIORITY) -> None:
    """Let others go first, in this thread and in those that it starts. `work`: says in the log who competes, if the
    system does not allow it."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)
    except OSError as error:
        logger.warning("%s: the threads cannot give way (%s)", work, error)


def in_background(load: Callable[[], T], work: str) -> T:
    """What `load` makes on a thread that gives way. Threads that it starts, such as those of a model that computes
    without the interpreter, do so too."""

    def lower_and_load() -> T:
        give_way(work)
        return load()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lower_and_load).result()
