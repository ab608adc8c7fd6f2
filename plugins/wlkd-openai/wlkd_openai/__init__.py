"""wlkd transport: the OpenAI transcription API, REST and realtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_transports(register: Registry) -> None:
    from wlkd_openai.transport import OpenAI

    register("openai", OpenAI)
