"""Whisper's models on disk: what they are, whether they fit together, where they come from.

Backends read `pairs`, `folder` and `dims`; `window` joins a stream's speech, `cuda` finds what CTranslate2 needs on a
GPU. `get` (with its `sources`) is the only part of wlkd that fetches anything from outside, and only `wlkd models get`
calls it.
"""

from __future__ import annotations

from wlkd import CommandRegistry, hookimpl


@hookimpl
def wlkd_register_commands(register: CommandRegistry) -> None:
    register("models", "list, verify, fetch and derive models", "wlkd_whisper.command")
