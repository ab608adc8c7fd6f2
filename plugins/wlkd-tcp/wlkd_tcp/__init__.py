"""wlkd transport: raw PCM in, committed words out, over plain TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_tcp.transport import Tcp

    register("tcp", Tcp)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    from wlkd import Problem

    if "tcp" in config.transports and config.auth.tokens_file is not None:
        message = "raw TCP cannot carry a token, so nobody could connect; remove this transport, or auth.tokens_file"
        return [Problem("transports.tcp", message)]
    return []
