"""wlkd translator `fasttranslate`: English and Brazilian Portuguese, on any x86 processor, without a model to fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_translators(register: Registry) -> None:
    from wlkd_fasttranslate.translator import FastTranslate

    register("fasttranslate", FastTranslate)
