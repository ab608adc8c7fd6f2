"""wlkd turn detector: whether a speaker has ended, or only pauses, by the network Smart Turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Registry


@hookimpl
def wlkd_register_turn_detectors(register: Registry) -> None:
    from wlkd_turns.detector import SmartTurn

    register("smart-turn", SmartTurn)
