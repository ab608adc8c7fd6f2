"""What Vosk says about words, as wlkd's words: on the session's clock, and only what was spoken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wlkd import Word
from wlkd.contract.clock import SpeechClock
from wlkd.contract.text import UNSPACED_LANGUAGES

NOISE = ("[", "<")
"""How tokens begin that stand for what is not a word: `[unk]`, `<eps>`, the Korean model's `[3]`. It has `-`, too."""


def words_in(told: str, key: str, clock: SpeechClock, language: str) -> list[Word]:
    """The words of a result (`key` is `result`) or a partial one (`partial_result`)."""
    space = "" if language in UNSPACED_LANGUAGES else " "
    said: Sequence[Mapping[str, Any]] = json.loads(told).get(key, ())
    return [
        Word(
            space + one["word"],
            clock.session_time(one["start"]),
            clock.session_time(one["end"], end=True),
            round(min(one["conf"], 1.0), 3),
        )
        for one in said
        if not one["word"].startswith(NOISE) and any(map(str.isalnum, one["word"]))
    ]
