"""wlkd transport: raw PCM in, committed words out, over plain TCP."""

from __future__ import annotations

from wlkd import hookimpl
from wlkd.interfaces import Registry
from wlkd_tcp.transport import Tcp


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("tcp", Tcp)


__all__ = ["Tcp", "wlkd_register_transports"]
