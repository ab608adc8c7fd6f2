"""wlkd turn detector: whether a speaker has ended, or only pauses, by the network Smart Turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wlkd import hookimpl

if TYPE_CHECKING:
    from wlkd import Config, Problem, Registry


@hookimpl
def wlkd_register_turn_detectors(register: Registry) -> None:
    from wlkd_turns.detector import SmartTurn

    register("smart-turn", SmartTurn)


@hookimpl
def wlkd_check_host(config: Config) -> list[Problem]:
    from wlkd import Problem
    from wlkd_turns.catalogue import FAMILY, NAME
    from wlkd_turns.detector import SmartTurnOptions

    part = config.one("turn_detector")
    if part is None or not isinstance(part.options, SmartTurnOptions):
        return []
    return [Problem("turn_detector.name", problem) for problem in FAMILY.state(config.models_dir, NAME).problems]
