"""wlkd transport: HAProxy's agent-check. It carries no speech; it tells a balancer how much room there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_agent.transport import Agent

    register("agent", Agent)
