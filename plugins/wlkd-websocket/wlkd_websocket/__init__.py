"""wlkd transport: the /asr WebSocket and the built-in page."""

from __future__ import annotations

from wlkd import Registry, hookimpl
from wlkd_websocket.transport import WebSocket


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("websocket", WebSocket)


__all__ = ["WebSocket", "wlkd_register_transports"]
