"""A backend that speaks a script: one word for each stretch of speech that it hears. For fast tests.

It behaves like a real one where it matters to the core: words are committed late, a tentative tail goes ahead of them,
a pause commits everything, and it can be told to be slow or to fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    from wlkd_scripted.backend import Scripted

    register("scripted", Scripted)
