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

    chunk = config.worker.max_chunk_seconds
    problems = []
    for place, part in config.backends.items():
        if isinstance(part.options, SimulStreamingOptions):
            longest = part.options.max_window_seconds + chunk
            message = (
                f"with worker.max_chunk_seconds ({chunk:g}) a window may grow to {longest:g} s, "
                f"and Whisper hears {MODEL_SECONDS}"
            )
            problems += [Problem(f"{place}.options.max_window_seconds", message)] if longest > MODEL_SECONDS else []
    return problems


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd_whisper.host import device_problems, language_problems, pair_problems

    from wlkd_simulstreaming.options import SimulStreamingOptions

    problems: list[Problem] = []
    for place, part in config.backends.items():
        if isinstance(options := part.options, SimulStreamingOptions):
            unfit = list(pair_problems(config.models_dir, options.model, place))
            problems += unfit or language_problems(config, options.model, place)
            problems += device_problems(options.device, place)
    return problems
