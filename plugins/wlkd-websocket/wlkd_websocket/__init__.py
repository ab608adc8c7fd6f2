"""wlkd transport: the /asr WebSocket and the built-in page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_websocket.transport import WebSocket

    register("websocket", WebSocket)
