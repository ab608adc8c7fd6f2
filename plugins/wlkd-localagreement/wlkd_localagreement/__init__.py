"""wlkd backend: LocalAgreement-2 over faster-whisper, for machines without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_localagreement.backend import LocalAgreement

    register("localagreement", LocalAgreement)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd_whisper.host import device_problems, encoder_problems, language_problems

    from wlkd_localagreement.options import LocalAgreementOptions

    problems: list[Problem] = []
    for place, part in config.backends.items():
        if isinstance(options := part.options, LocalAgreementOptions):
            unfit = list(encoder_problems(config.models_dir, options.model, place))
            problems += unfit or language_problems(config, options.model, place)
            problems += device_problems(options.device, place)
    return problems
