"""Model files on disk: fetched once, checked against pinned digests, listed with what is missing.

A plugin whose engine needs files describes them as a `family` in the entry-point group `wlkd.model_families`; `pinned`
serves families whose models are a folder of known files each. Only `wlkd models get` fetches anything from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import CommandRegistry


@hookimpl
def wlkd_register_commands(register: CommandRegistry) -> None:
    register("models", "list, verify, fetch and derive models", "wlkd_models.command")
