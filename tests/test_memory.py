"""Memory that is free goes back to the system."""

import asyncio
import contextlib
import os
import platform

import numpy as np
import pytest

from wlkd.bench.process import MIB, usage
from wlkd.memory import keep_giving_back

CHUNK_BYTES = 64 * 1024
"""Below what glibc maps for each allocation alone, and returns by itself."""


def resident() -> float:
    return usage(os.getpid()).resident_bytes / MIB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim(3) is glibc's")
async def test_free_memory_between_used_one_is_given_back() -> None:
    held = [np.ones(CHUNK_BYTES, dtype=np.uint8) for _ in range(100 * MIB // CHUNK_BYTES)]
    full = resident()
    # The last one stays: without it the end of the heap would shrink anyway.
    del held[:-1]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await keep_giving_back()
    assert full - resident() > 80
    assert len(held) == 1
