"""wlkd backend `vosk`: Kaldi's streaming recognizer; each sound is encoded once, words come as they are spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_vosk.backend import Vosk

    register("vosk", Vosk)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_vosk.folder import folder_problem
    from wlkd_vosk.options import VoskOptions

    problems = []
    for place, part in config.backends.items():
        if isinstance(part.options, VoskOptions):
            fault = folder_problem(config.models_dir / part.options.model)
            problems += [] if fault is None else [Problem(f"{place}.options.model", fault)]
    return problems
