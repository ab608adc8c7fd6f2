"""wlkd transport: the Deepgram listen API, live and prerecorded."""

from __future__ import annotations

from wlkd import Registry, hookimpl
from wlkd_deepgram.transport import Deepgram


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("deepgram", Deepgram)


__all__ = ["Deepgram", "wlkd_register_transports"]
