"""Memory that is free goes back to the system."""

import asyncio
import contextlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from wlkd_bench.process import MIB, usage

from wlkd.host.memory import keep_giving_back

CHUNK_BYTES = 64 * 1024
"""Below what glibc maps for each allocation alone, and returns by itself."""


def resident() -> float:
    return usage(os.getpid()).resident_bytes / MIB


def printed_by(script: str, *arguments: str) -> float:
    command = [sys.executable, "-c", script, *arguments]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


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


IN_A_THREAD = """
import ctypes, sys, threading
from wlkd_bench.process import MIB, usage
from wlkd.host.memory import share_one_heap

if "shared" in sys.argv:
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def fill_and_free():
    # A large block that came and went lets glibc keep as much at the end of a heap.
    libc.free(libc.malloc(30 * MIB))
    blocks = [libc.malloc(64 * 1024) for _ in range(700)]
    for block in blocks:
        ctypes.memset(block, 1, 64 * 1024)
    for block in blocks:
        libc.free(block)

before = usage(ctypes.CDLL(None).getpid()).resident_bytes
thread = threading.Thread(target=fill_and_free)
thread.start()
thread.join()
libc.malloc_trim(0)
print((usage(libc.getpid()).resident_bytes - before) / MIB)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps for threads are glibc's")
def test_what_a_thread_freed_is_given_back_too() -> None:
    # The first is what glibc does by itself: if that changes, the other is not needed any more.
    assert printed_by(IN_A_THREAD) > 30
    assert printed_by(IN_A_THREAD, "shared") < 10


COMING_AND_GOING = """
import ctypes, resource, sys
from wlkd.host.memory import share_one_heap

if "shared" in sys.argv:
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
SIZE = 40 * 1024 * 1024

def come_and_go():
    block = libc.malloc(SIZE)
    ctypes.memset(block, 1, SIZE)
    libc.free(block)

come_and_go()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
come_and_go()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt(3) is glibc's")
def test_large_blocks_that_come_and_go_do_not_fault_their_pages_in_again() -> None:
    assert 4 * printed_by(COMING_AND_GOING, "shared") < printed_by(COMING_AND_GOING)
