"""wlkd transport: the Wyoming protocol, as Home Assistant speaks it."""

from __future__ import annotations

from wlkd import Config, Problem, Registry, hookimpl
from wlkd_wyoming.transport import Wyoming


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("wyoming", Wyoming)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    if "wyoming" in config.transports and config.auth.tokens_file is not None:
        message = "Wyoming cannot carry a token, so nobody could connect; remove this transport, or auth.tokens_file"
        return [Problem("transports.wyoming", message)]
    return []


__all__ = ["Wyoming", "wlkd_check_config", "wlkd_register_transports"]
