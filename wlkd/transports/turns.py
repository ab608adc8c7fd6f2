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


def has_all_words(update: Update) -> bool:
    """Whether the latest stretch of speech is over and has all its words with `update`.

    Where the words are far behind the VAD, an end may be that of an earlier stretch: nothing of the latest is settled.
    """
    if update.final:
        return True
    if not update.segment_end or update.speech_end is None:
        return False
    length = update.speech_end - (update.speech_start or 0)
    return update.lag == 0 or update.lag < length
