"""wlkd backend `sherpa`: streaming models by sherpa-onnx; each sound is encoded once, many streams in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_sherpa.backend import Sherpa

    register("sherpa", Sherpa)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_sherpa.folder import ModelFiles, NoModelError
    from wlkd_sherpa.options import SherpaOptions

    problems = []
    for place, part in config.backends.items():
        if isinstance(part.options, SherpaOptions):
            try:
                ModelFiles.find(config.models_dir / part.options.model)
            except NoModelError as error:
                problems.append(Problem(f"{place}.options.model", str(error)))
    return problems
