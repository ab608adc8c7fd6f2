"""For the tests of wlkd and of plugins: a real daemon in ten lines, and what every component must keep.

A pytest plugin, for those who ask for it: `pytest_plugins = ["wlkd.testing"]` in your top-level conftest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from wlkd.testing.contracts import (
    as_samples,
    check_backend,
    check_decoder,
    check_diarizer,
    check_filter,
    check_translator,
    check_turn_detector,
    check_vad,
    decoded,
    decoded_items,
    pieces,
    provisioned,
    recognized,
    speech_like,
    spoken_words,
    vad_events,
)
from wlkd.testing.daemon import RunningDaemon, running_daemon
from wlkd.testing.transports import MadeUpSession, MadeUpSessions, Told, check_transport, free_port


@pytest.fixture
def wlkd_daemon() -> Callable[[Mapping[str, Any]], AbstractAsyncContextManager[RunningDaemon]]:
    """`async with wlkd_daemon({...}) as daemon:`, see `running_daemon`."""
    return running_daemon


__all__ = [
    "MadeUpSession",
    "MadeUpSessions",
    "RunningDaemon",
    "Told",
    "as_samples",
    "check_backend",
    "check_decoder",
    "check_diarizer",
    "check_filter",
    "check_translator",
    "check_transport",
    "check_turn_detector",
    "check_vad",
    "decoded",
    "decoded_items",
    "free_port",
    "pieces",
    "provisioned",
    "recognized",
    "running_daemon",
    "speech_like",
    "spoken_words",
    "vad_events",
]
