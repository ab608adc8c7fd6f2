"""How many people may speak at once: a short self-test says at the start, the load that the worker sees corrects it."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from wlkd.config.options import DEFAULT_ENGINE
from wlkd.contract.audio import SAMPLE_RATE, samples
from wlkd.contract.components import Backend, StepPlan
from wlkd.contract.types import Frame, Priority, RecognitionParams, Samples
from wlkd.inference.utilization import Load

logger = logging.getLogger(__name__)

TARGET_BUSY = 0.9
"""Share of time for inference when all places are taken and everybody speaks; steps are then about 2 s long."""
TELLING_BUSY = 0.9
"""From this share on the throughput is that of a full house. Below, steps are shorter, which costs more for each second
of speech: then the throughput is a lower bound."""
TELLING_SECONDS = 5.0
"""Inference to have seen before the estimate is changed."""
REVISE_SECONDS = 5.0
"""How often the estimate may change: one step a time, so that one odd moment does not turn anybody away."""
MOST_SESSIONS = 1000
"""Beyond, other limits come first: threads for decoding, file descriptors, the event loop."""

TEST_SECONDS = 0.8
"""What the self-test may take, as far as single steps allow."""
TEST_WINDOW_SECONDS = 5.0
"""Speech in one step's window: about the middle of a sentence."""
TEST_CHUNK_SECONDS = 2.5
"""New speech that is as much work in a full house, where steps go on with windows that are half decoded already."""


class Capacity:
    """The estimate, and its corrections."""

    def __init__(self, sessions: int, engine: str = DEFAULT_ENGINE) -> None:
        """`sessions`: what the self-test, or a guess, gives. `engine`: whose, for the log."""
        self._engine = engine
        self._expected = sessions
        self._revised_at = -math.inf
        self.sessions = sessions

    def revise(self, load: Load, now: float, busy: float) -> None:
        """Move a step towards what `load` says; `now` in seconds on its clock. `busy`: how busy live streams keep the
        processors, those of other engines too."""
        if now - self._revised_at < REVISE_SECONDS:
            return
        self._revised_at = now
        told = load.evidence >= TELLING_SECONDS
        possible = sessions_for(load.throughput) if told else 0
        telling = told and busy >= TELLING_BUSY
        # With room to spare nothing speaks for fewer; what a busier hour took away comes back.
        target = possible if telling else max(possible, self._expected, self.sessions)
        if target == self.sessions:
            return
        step = (target - self.sessions) / 4
        revised = self.sessions + (math.ceil(step) if step > 0 else math.floor(step))
        logger.info(
            "engine %s: up to %s can talk at once, not %d: %.1f s of speech recognized in a second, "
            "%.0f %% of the time",
            self._engine,
            people(revised),
            self.sessions,
            load.throughput,
            100 * busy,
        )
        self.sessions = revised


def people(number: int) -> str:
    """As a sentence says it."""
    return "1 person" if number == 1 else f"{number} people"


def sessions_for(throughput: float) -> int:
    """People who may speak without a pause, at `throughput` seconds of speech per second of inference."""
    return min(max(int(TARGET_BUSY * throughput), 1), MOST_SESSIONS)


async def self_test(backend: Backend, threads: Executor, clock: Callable[[], float]) -> float:
    """Seconds of speech per second of inference by `clock`, on a warmed-up backend and its `threads`.

    Steps of ever more streams, up to `TEST_SECONDS`, on all threads at once: what a batch of many costs is what counts,
    and a machine on which one step takes long is not made to take more.
    """
    began = clock()
    rows, throughput = 1, 0.0
    while True:
        spent = await one_step(backend, rows, threads, clock)
        throughput = max(throughput, backend.concurrency * rows * TEST_CHUNK_SECONDS / spent)
        if rows >= 8 or clock() - began + 2 * spent > TEST_SECONDS:
            return throughput
        rows *= 2


async def one_step(backend: Backend, rows: int, threads: Executor, clock: Callable[[], float]) -> float:
    """Seconds that a step of `rows` fresh streams on each of the `threads` takes."""
    loop = asyncio.get_running_loop()
    batches = [listeners(backend, rows) for _ in range(backend.concurrency)]
    await asyncio.gather(*(loop.run_in_executor(threads, speak_to, batch) for batch in batches))
    began = clock()
    await asyncio.gather(*(loop.run_in_executor(threads, backend.run, batch) for batch in batches))
    return max(clock() - began, 1e-6)


def listeners(backend: Backend, rows: int, priority: Priority = "live") -> list[StepPlan]:
    """Steps of fresh streams in a full house: without time to spare. On the event loop, like every `Backend.open`."""
    params = RecognitionParams(language=_a_language(backend), priority=priority)
    return [StepPlan(backend.open(params), spare=0.0, upload=priority == "upload") for _ in range(rows)]


def speak_to(batch: Sequence[StepPlan]) -> None:
    """Let each stream hear a window of speech. On an inference thread, where recognizers live."""
    # The same speech from another syllable on for each: to make it takes longer than some steps.
    speech = _test_speech()
    for number, plan in enumerate(batch):
        plan.recognizer.accept(Frame(0, np.roll(speech, number * samples(0.5))))
        if plan.upload:
            plan.recognizer.end_segment(len(speech))  # Before its end, a file may not be heard at all.


@functools.cache
def _test_speech() -> Samples:
    return made_up_speech(TEST_WINDOW_SECONDS)


def _a_language(backend: Backend) -> str | None:
    """Detecting the language is paid once a session, not at each step."""
    return min(backend.languages() & {"en"} or backend.languages(), default=None)


def made_up_speech(seconds: float, seed: int = 0) -> Samples:
    """Vowels without meaning, shape (n,) at 16 kHz: a buzz through moving resonances, four syllables a second."""
    random = np.random.default_rng(seed)
    time_axis = np.arange(samples(seconds)) / SAMPLE_RATE
    syllable = (4 * time_axis).astype(int)
    resonances = random.uniform((300, 900, 2200), (800, 2200, 3000), size=(syllable[-1] + 1, 3))[syllable]
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time_axis + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.zeros_like(time_axis)
    for harmonic in range(1, 26):
        distance = (harmonic * pitch[:, None] - resonances) / 120
        voice += np.exp(-(distance**2)).sum(axis=1) * np.sin(harmonic * phase)
    voice *= np.sin(np.pi * (4 * time_axis % 1))
    hiss = 0.003 * random.standard_normal(len(voice))
    return np.asarray(0.3 * voice / np.abs(voice).max() + hiss, dtype=np.float32)
