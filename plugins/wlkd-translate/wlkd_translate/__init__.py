"""wlkd translator `ctranslate2`: NLLB-200, M2M-100 and OPUS-MT models from folders in CTranslate2's format.

`folder` reads what lies in one, `dialects` knows how each family marks languages, `translator` loads and runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_translators(register: Registry) -> None:
    from wlkd_translate.translator import CTranslate2

    register("ctranslate2", CTranslate2)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd_whisper.host import device_problems

    from wlkd import Problem
    from wlkd_translate.folder import ModelFolder
    from wlkd_translate.translator import CTranslate2Options

    part = config.one("translator")
    if part is None or not isinstance(part.options, CTranslate2Options):
        return []
    options = part.options
    found = [problem for name in options.models for problem in ModelFolder(config.models_dir / name).problems()]
    return [
        *(Problem("translator.options.models", problem) for problem in found),
        *device_problems(options.device, "translator"),
    ]
