"""When speech begins and when it pauses, from one probability per frame of 32 ms. No audio, no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Counts are of model frames."""

    onset: float
    """Probability at which speech begins, or goes on after a dip."""
    release: float
    """Probability below which it may have ended; between the two, whatever was the case stays so."""
    min_speech: int
    """Frames that must not fall below `release` before speech is believed."""
    min_silence: int
    """Frames without speech that make a pause."""


class Gate:
    """Hysteresis with patience on both sides. Feed it one probability after the other."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._frames = 0
        self.speaking = False
        self.onset: int | None = None
        """Index of the frame where the present speech, or what may become speech, began."""
        self.silence: int | None = None
        """Index of the frame where the present speech may have ended; None while it surely goes on."""

    def step(self, probability: float) -> Literal["onset", "pause"] | None:
        """Take the next frame's probability. Says "onset" on the frame at which speech is believed, and "pause"
        on the frame at which a pause is; `onset` and `silence` tell where they began."""
        index = self._frames
        self._frames += 1
        if self.speaking:
            return self._listen_for_pause(index, probability)
        return self._listen_for_onset(index, probability)

    def believe(self) -> bool:
        """No more frames will come: take what may become speech for speech. Says whether there was any."""
        if self.speaking or self.onset is None:
            return False
        self.speaking, self.silence = True, None
        return True

    def reset(self) -> None:
        """What was going on counts as over: the next frame may begin speech."""
        self.speaking, self.onset, self.silence = False, None, None

    def _listen_for_onset(self, index: int, probability: float) -> Literal["onset"] | None:
        if self.onset is None and probability >= self._settings.onset:
            self.onset = index
        elif probability < self._settings.release:
            self.onset = None
        if self.onset is None or index + 1 - self.onset < self._settings.min_speech:
            return None
        self.speaking, self.silence = True, None
        return "onset"

    def _listen_for_pause(self, index: int, probability: float) -> Literal["pause"] | None:
        if probability >= self._settings.onset:
            self.silence = None
        elif probability < self._settings.release and self.silence is None:
            self.silence = index
        if self.silence is None or index + 1 - self.silence < self._settings.min_silence:
            return None
        self.speaking, self.onset = False, None
        return "pause"
