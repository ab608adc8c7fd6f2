"""wlkd backend: SimulStreaming, Whisper decoded simultaneously with AlignAtt."""

from __future__ import annotations

from wlkd import Config, Problem, Registry, hookimpl
from wlkd_simulstreaming.backend import SimulStreaming
from wlkd_simulstreaming.options import SimulStreamingOptions

MODEL_SECONDS = 30
"""What Whisper hears at once."""


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    register("simulstreaming", SimulStreaming)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    options = config.backend.options
    if not isinstance(options, SimulStreamingOptions):
        return []
    longest = options.max_window_seconds + config.worker.max_chunk_seconds
    if longest <= MODEL_SECONDS:
        return []
    message = (
        f"with worker.max_chunk_seconds ({config.worker.max_chunk_seconds:g}) a window may grow to {longest:g} s, "
        f"and Whisper hears {MODEL_SECONDS}"
    )
    return [Problem("backend.options.max_window_seconds", message)]


__all__ = ["SimulStreaming", "wlkd_check_config", "wlkd_register_backends"]
