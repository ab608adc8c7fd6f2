"""What the rule decides on: half seconds of a stream, each with the voice of the 1.5 s around it.

Of 1.5 s of speech two voices are mistaken for one another in 3.3 % of the cases, of 1.0 s in 6.3 %, of 2.0 s in 0.8 %;
a longer window would hear more changes of speaker.
"""

from __future__ import annotations

from dataclasses import dataclass

from wlkd import SAMPLE_RATE
from wlkd_speakers.voices import Vector

CELL = SAMPLE_RATE // 2
"""Samples of one cell. What is decided has this grain."""


@dataclass(slots=True)
class Cell:
    """Half a second in which somebody speaks."""

    index: int
    """Its place: it begins at `index * CELL`."""
    voice: Vector | None = None
    """None: too little was heard around it to tell."""
    speech: int = 0
    """Samples that `voice` rests on."""
    pause: bool = False
    """It begins about where speech pauses: a likely place for a change."""
    speaker: int | None = None
    """Once decided."""

    @property
    def seconds(self) -> float:
        """Of speech that `voice` rests on."""
        return self.speech / SAMPLE_RATE
