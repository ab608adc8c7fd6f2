"""What a turn detector gets to hear."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wlkd.config.options import Options
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import DecoderStream, TurnDetector, Vad, VadStream
from wlkd.contract.types import Decoded, Frame, Gap, Samples, SpeechEvent
from wlkd.sessions.hearing import TURN_SILENCE, Hearing


class Decoding(DecoderStream):
    """A second of ones, five that are left out, and a second of twos."""

    def feed(self, data: bytes) -> list[Decoded]:
        one = np.ones(SAMPLE_RATE, dtype=np.float32)
        return [one, Gap(5 * SAMPLE_RATE), 2 * one]

    def finish(self) -> Samples:
        return np.zeros(0, dtype=np.float32)


class NoVad(Vad, VadStream):
    def open(self) -> VadStream:
        return self

    def feed(self, frame: Frame) -> list[SpeechEvent]:
        return [frame]

    def flush(self) -> list[SpeechEvent]:
        return []

    def finish(self) -> list[SpeechEvent]:
        return []


class Ears(TurnDetector):
    samples = 8 * SAMPLE_RATE

    def judge(self, samples: Samples) -> float:
        self.heard = samples
        return 1.0


async def test_a_turn_is_not_judged_by_what_was_said_before_a_gap() -> None:
    ears = Ears(Options())
    with ThreadPoolExecutor(1) as pool:
        hearing = Hearing(Decoding(), NoVad(Options()), pool, turn_detector=ears)
        async for heard in hearing.decode(b"all"):
            match heard:
                case Gap():
                    await hearing.pause()
                case Frame():
                    await hearing.detect(heard)
        spoken_until = hearing.clock - SAMPLE_RATE // 2
        assert await hearing.judge(spoken_until) == pytest.approx(1.0)
    assert set(ears.heard) == {2.0}
    assert len(ears.heard) == SAMPLE_RATE // 2 + TURN_SILENCE
