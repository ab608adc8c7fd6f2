"""Steps: a batch that raised has changed no stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from wlkd_whisper.stepwise import Conclusion, SpeechState, Step, SteppedBackend, SteppedStream

from wlkd import Commit, Frame, Options, RecognitionParams, Recognizer, StepPlan

SECOND = 16_000


@dataclass(frozen=True)
class Count(SpeechState):
    """How many steps there were."""

    steps: int = 0


class Counting(SteppedBackend[Options, str, Count]):
    """Counts a stream's steps; cannot bear the brief "bad"."""

    def __init__(self) -> None:
        super().__init__(Options())
        self.seen: list[Step[str, Count]] = []

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        return SteppedStream(params.static_prompt, Count())

    def compute(self, steps: Sequence[Step[str, Count]]) -> list[Conclusion[Count]]:
        self.seen = list(steps)
        conclusions = []
        for step in steps:
            if step.brief == "bad":
                raise ValueError("bad")
            state = replace(step.state, steps=step.state.steps + 1)
            commit = Commit(until=len(step.state.window), segment_end=step.end is not None)
            conclusions.append(Conclusion(state, commit))
        return conclusions


def opened(backend: Counting, brief: str) -> Recognizer:
    recognizer = backend.open(RecognitionParams(static_prompt=brief))
    recognizer.accept(Frame(0, np.zeros(SECOND, np.float32)))
    return recognizer


def test_a_batch_that_raised_has_changed_no_stream() -> None:
    backend = Counting()
    good, bad = opened(backend, "good"), opened(backend, "bad")
    with pytest.raises(ValueError, match="bad"):
        backend.run([StepPlan(good), StepPlan(bad)])
    assert backend.run([StepPlan(good)]) == [Commit(until=SECOND)]
    assert backend.seen[0].state.steps == 0


def test_a_step_takes_the_speech_and_the_end_once_and_says_what_the_worker_knows() -> None:
    backend = Counting()
    stream = opened(backend, "good")
    stream.end_segment(SECOND)
    assert backend.run([StepPlan(stream, spare=0.25, upload=True)]) == [Commit(until=SECOND, segment_end=True)]
    assert (backend.seen[0].spare, backend.seen[0].upload) == (0.25, True)
    assert backend.run([StepPlan(stream)]) == [Commit(until=SECOND)]
    assert backend.seen[0].state.steps == 1


def test_a_stranger_in_the_batch_is_named() -> None:
    class Stranger(Recognizer):
        def accept(self, frame: Frame) -> None: ...

        def end_segment(self, at: int) -> None: ...

    with pytest.raises(TypeError, match="no Stranger"):
        Counting().run([StepPlan(Stranger())])
