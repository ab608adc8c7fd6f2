"""wlkd transport: the Deepgram listen API, live and prerecorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_deepgram.transport import Deepgram

    register("deepgram", Deepgram)
