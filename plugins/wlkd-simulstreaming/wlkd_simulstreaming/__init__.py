"""wlkd backend: SimulStreaming, Whisper decoded simultaneously with AlignAtt."""

from __future__ import annotations

from wlkd import hookimpl
from wlkd.interfaces import Registry
from wlkd_simulstreaming.backend import SimulStreaming


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    register("simulstreaming", SimulStreaming)
