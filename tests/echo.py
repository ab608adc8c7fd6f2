"""A backend that says how much it has heard, and a worker that runs it."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import Backend, Options, Recognizer, StepPlan
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Commit, Frame, RecognitionParams, Word
from wlkd.inference.backlog import Outcome, Stream
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics


class Ear(Recognizer):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.heard = 0
        self.ended_at: int | None = None

    def accept(self, frame: Frame) -> None:
        if np.isnan(frame.samples).any():
            raise SessionError("undecodable_audio", "not a number")
        self.frames.append(frame)

    def end_segment(self, at: int) -> None:
        self.ended_at = at


class Echo(Backend):
    """Commits one word per step: how many samples came in; raises when it hears the sample value 9."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(Options())
        self.step_seconds = step_seconds
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.batches: list[int] = []
        self.plans: list[StepPlan] = []
        self.threads: set[str] = set()

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        return Ear()

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.go_on.wait(10)
        time.sleep(self.step_seconds)
        ears = [plan.recognizer for plan in batch if isinstance(plan.recognizer, Ear)]
        for ear in ears:
            if any((frame.samples == 9).any() for frame in ear.frames):
                raise RuntimeError("nine")
        self.batches.append(len(ears))
        self.plans += batch
        commits = []
        for ear in ears:
            heard = sum(len(frame.samples) for frame in ear.frames)
            ended = ear.ended_at is not None
            commits.append(Commit((Word(f" {heard}", 0, heard),), until=heard, segment_end=ended))
            ear.frames.clear()
            ear.ended_at = None
        return commits

    async def begins(self) -> None:
        """Wait until a step has begun since the last call."""
        assert await asyncio.to_thread(self.begun.wait, 10)
        self.begun.clear()


def speech(seconds: float, start: int = 0, value: float = 0.1) -> Frame:
    return Frame(start, np.full(round(seconds * SAMPLE_RATE), value, dtype=np.float32))


class Setup:
    """The worker at work: `async with` starts and closes it."""

    def __init__(self, backend: Echo, options: WorkerOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.backend = backend
        self.worker = Worker(backend, options, Metrics(), clock=clock)

    async def __aenter__(self) -> "Setup":
        await self.worker.start(warm_up=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.close()

    def stream(self, priority: str = "live") -> tuple[Stream, list[Outcome]]:
        outcomes: list[Outcome] = []
        params = RecognitionParams(priority=priority)  # type: ignore[arg-type]
        return self.worker.open(params, outcomes.append), outcomes


def setup(step_seconds: float = 0.0, **options: float) -> Setup:
    """`options`: of the worker."""
    return Setup(Echo(step_seconds), WorkerOptions(**options))  # type: ignore[arg-type]


class Watch:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
