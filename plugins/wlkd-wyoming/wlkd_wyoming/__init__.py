"""wlkd transport: the Wyoming protocol, as Home Assistant speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_wyoming.transport import Wyoming

    register("wyoming", Wyoming)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    from wlkd import Problem

    if "wyoming" in config.transports and config.auth.tokens_file is not None:
        message = "Wyoming cannot carry a token, so nobody could connect; remove this transport, or auth.tokens_file"
        return [Problem("transports.wyoming", message)]
    return []
