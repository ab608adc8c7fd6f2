"""Which rule ends which turn, and when."""

from __future__ import annotations

import numpy as np
import pytest
from wlkd_bench.turns import Rule, Silence, silences, table

from wlkd import Frame, Pause, Samples, SpeechEvent, TurnDetector, Vad, VadStream

PAUSE = Silence("a", 0.5, 1.1, 0.9, 0.01)
THOUGHT = Silence("a", 0.5, 1.1, 0.1, 0.01)
END = Silence("a", 0.5, None, 0.9, 0.01)


class Loud(Vad):
    """What is not zero is speech; a second of zeros is a pause."""

    def open(self) -> VadStream:
        return _Stream()


class _Stream(VadStream):
    def __init__(self) -> None:
        self._quiet: int | None = 0

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        if frame.samples.any():
            self._quiet = 0
            return [frame]
        if self._quiet is None:
            return []
        self._quiet += len(frame.samples)
        if self._quiet < 16_000:
            return []
        at, self._quiet = frame.end - self._quiet, None
        return [Pause(at)]

    def flush(self) -> list[SpeechEvent]:
        return self.finish()

    def finish(self) -> list[SpeechEvent]:
        return []


class Ears(TurnDetector):
    samples = 32_000

    def judge(self, samples: Samples) -> float:
        return float(samples.max())


def test_every_silence_of_a_turn_and_its_judgement() -> None:
    speech, quiet = np.ones(16_384, np.float32), np.zeros(24_576, np.float32)
    audio = np.concatenate([speech * 0.25, quiet, speech * 0.75, quiet])
    pause, end = silences("clip", audio, Loud(Loud.Config()), Ears(Ears.Config()))
    assert (pause.turn_over, end.turn_over) == (0.25, 0.75)
    assert pause.length_seconds == pytest.approx(24_576 / 16_000 + 0.032), "until speech is noticed"
    assert end.length_seconds is None
    assert pause.told_seconds == end.told_seconds == pytest.approx(1.0, abs=0.032)


def test_silence_cuts_off_what_lasts_longer_and_a_detector_what_it_takes_for_an_end() -> None:
    short, long, sense = Rule("0.2", 0.2), Rule("1.2", 1.2), Rule("sense", 0.0, 0.5, 2.0)
    assert [rule.cuts_off(PAUSE) for rule in (short, long, sense)] == [True, False, True]
    assert [rule.cuts_off(THOUGHT) for rule in (short, long, sense)] == [True, False, False]
    assert [rule.ends_after(END) for rule in (short, long, sense)] == [0.5, 1.2, 0.5]
    assert not short.cuts_off(END)


def test_the_table_counts_pauses_and_ends_apart() -> None:
    told = table([THOUGHT, PAUSE, END], [Rule("sense", 0.0, 0.5, 2.0)])
    assert "1 of 2" in told and "0.50 s" in told and "1 turns" in told
