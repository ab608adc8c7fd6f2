"""wlkd transport: the OpenAI transcription API, REST and realtime."""

from __future__ import annotations

from wlkd import Registry, hookimpl
from wlkd_openai.transport import OpenAI


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    register("openai", OpenAI)


__all__ = ["OpenAI", "wlkd_register_transports"]
