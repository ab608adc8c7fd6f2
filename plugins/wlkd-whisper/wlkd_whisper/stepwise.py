"""Backends that work in steps: plan, compute, adopt.

What a stream knows is one frozen state. A step is planned from it; the steps of a batch are computed and concluded into
new states by code that never sees a stream; and only when all of that is done do the streams adopt their states. So a
batch that raised has changed no stream.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Self, TypeVar

from wlkd import Backend, Commit, Frame, Options, Recognizer, StepPlan
from wlkd_whisper.window import Window


@dataclass(frozen=True)
class SpeechState:
    """What a stream knows; a backend's own state adds its words to it."""

    window: Window = field(default_factory=Window)
    """The speech that it works on."""

    def hearing(self, frames: Sequence[Frame]) -> Self:
        """With more speech."""
        return replace(self, window=self.window.extended(frames))


OptionsT = TypeVar("OptionsT", bound=Options)
BriefT = TypeVar("BriefT")
StateT = TypeVar("StateT", bound=SpeechState)


@dataclass(frozen=True)
class Step(Generic[BriefT, StateT]):
    """What a stream wants computed."""

    brief: BriefT
    """What the stream was opened for; the same in all of its steps."""
    state: StateT
    """With all accepted speech in it."""
    end: int | None = None
    """Session index where speech paused or ended, or None: it goes on."""
    over: bool = True
    """At `end` the segment ends; False: speech may go on."""
    spare: float = 1.0
    """The worker's time to spare, 0 (saturated) to 1 (idle)."""
    upload: bool = False
    """An uploaded file: nobody waits for its next word."""

    @property
    def ends(self) -> bool:
        """The segment ends with this step."""
        return self.end is not None and self.over


@dataclass(frozen=True)
class Conclusion(Generic[StateT]):
    """What a step came to: the stream's next state, and what to tell the session."""

    state: StateT
    commit: Commit


class SteppedStream(Recognizer, Generic[BriefT, StateT]):
    """A recognizer that keeps speech for its next step, and a state from one step to the next."""

    def __init__(self, brief: BriefT, state: StateT) -> None:
        self.brief = brief
        self._state = state
        self._fresh: list[Frame] = []
        self._end: int | None = None
        self._over = True

    def accept(self, frame: Frame) -> None:
        self._fresh.append(frame)

    def end_segment(self, at: int) -> None:
        self._end, self._over = at, True

    def pause(self, at: int) -> None:
        self._end, self._over = at, False

    def plan(self, spare: float = 1.0, *, upload: bool = False) -> Step[BriefT, StateT]:
        """The step that is due now. Changes nothing."""
        return Step(self.brief, self._state.hearing(self._fresh), self._end, self._over, spare, upload)

    def adopt(self, state: StateT) -> None:
        """Make `state` the stream's own; the speech accepted so far is in it."""
        self._state, self._fresh, self._end = state, [], None


class SteppedBackend(Backend[OptionsT], Generic[OptionsT, BriefT, StateT]):
    """A backend whose streams are `SteppedStream`s."""

    @abstractmethod
    def compute(self, steps: Sequence[Step[BriefT, StateT]]) -> Sequence[Conclusion[StateT]]:
        """What each step comes to, in order; on an inference thread."""

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        streams: list[SteppedStream[BriefT, StateT]] = [_stream(plan) for plan in batch]
        steps = [stream.plan(plan.spare, upload=plan.upload) for stream, plan in zip(streams, batch, strict=True)]
        conclusions = self.compute(steps)
        for stream, conclusion in zip(streams, conclusions, strict=True):
            stream.adopt(conclusion.state)
        return [conclusion.commit for conclusion in conclusions]


def _stream(plan: StepPlan) -> SteppedStream[BriefT, StateT]:
    if not isinstance(plan.recognizer, SteppedStream):
        raise TypeError(f"a batch holds streams of this backend only, and no {type(plan.recognizer).__name__}")
    return plan.recognizer
