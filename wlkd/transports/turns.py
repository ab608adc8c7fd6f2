"""When a turn is over: by silence, and by what a turn detector makes of it."""

from __future__ import annotations

from wlkd.contract.types import Update

LIKELY = 0.5
"""From which probability on a turn counts as over."""
UNSURE_SECONDS = 2.0
"""Silence after which it is over, whatever the detector says. Pauses inside sentences are seldom as long."""


def patience(silence_seconds: float, update: Update, *, judged: bool, unsure_seconds: float = UNSURE_SECONDS) -> float:
    """Seconds of silence that end the turn which `update` tells of. `silence_seconds`: where it is likely over, or
    where nothing judges it (`SessionInfo.turns`)."""
    likely = not judged or (update.turn_over is not None and update.turn_over >= LIKELY)
    return silence_seconds if likely else max(silence_seconds, unsure_seconds)
