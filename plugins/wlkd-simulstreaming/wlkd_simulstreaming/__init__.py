"""wlkd backend: SimulStreaming, Whisper decoded simultaneously with AlignAtt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry

MODEL_SECONDS = 30
"""What Whisper hears at once."""


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_simulstreaming.backend import SimulStreaming

    register("simulstreaming", SimulStreaming)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_simulstreaming.options import SimulStreamingOptions

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


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd_whisper.host import device_problems, pair_problems

    from wlkd_simulstreaming.options import SimulStreamingOptions

    options = config.backend.options
    if not isinstance(options, SimulStreamingOptions):
        return []
    return [*pair_problems(config.models_dir, options.model), *device_problems(options.device)]
