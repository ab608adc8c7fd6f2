"""Text filters: fillers left out, numbers as digits or words, words replaced, profanity masked. See docs/text.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_filters(register: Registry) -> None:
    from wlkd_text.fillers import Fillers
    from wlkd_text.numbers import Numbers
    from wlkd_text.profanity import Profanity
    from wlkd_text.replace import Replace

    register("fillers", Fillers)
    register("numbers", Numbers)
    register("replace", Replace)
    register("profanity", Profanity)
