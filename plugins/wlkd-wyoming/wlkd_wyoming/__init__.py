"""wlkd transport: the Wyoming protocol, as Home Assistant speaks it."""

from __future__ import annotations

from wlkd import hookimpl
from wlkd.interfaces import Registry
from wlkd_wyoming.transport import Wyoming


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("wyoming", Wyoming)


__all__ = ["Wyoming", "wlkd_register_transports"]
