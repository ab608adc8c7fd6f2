"""wlkd transport: the Wyoming protocol, as Home Assistant speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry

HOME_ASSISTANT = ("home_assistant_url", "home_assistant_token_file")


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_wyoming.transport import Wyoming

    register("wyoming", Wyoming)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    from wlkd import Problem

    if "wyoming" not in config.transports:
        return []
    problems = []
    if config.auth.tokens_file is not None:
        message = "Wyoming cannot carry a token, so nobody could connect; remove this transport, or auth.tokens_file"
        problems.append(Problem("transports.wyoming", message))
    options = config.transports["wyoming"]
    given = [name for name in HOME_ASSISTANT if getattr(options, name) is not None]
    if len(given) == 1:
        [missing] = set(HOME_ASSISTANT) - set(given)
        problems.append(Problem(f"transports.wyoming.{given[0]}", f"needs {missing} beside it"))
    return problems


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_wyoming.home_assistant import token_in
    from wlkd_wyoming.transport import WyomingOptions

    options = config.transports.get("wyoming")
    if not isinstance(options, WyomingOptions) or options.home_assistant_token_file is None:
        return []
    try:
        token_in(options.home_assistant_token_file)
    except ValueError as error:
        return [Problem("transports.wyoming.home_assistant_token_file", str(error))]
    return []
