"""How busy the worker is: what its chunks and its backend make of that."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.echo import Echo, Setup, Watch, speech
from wlkd.config.options import WorkerOptions
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import StepPlan
from wlkd.contract.types import Commit, Pause


class Laborious(Echo):
    """Each step takes a second of the watch."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        self.watch.now += 1
        return super().run(batch)


@pytest.mark.parametrize(("priority", "grown"), [("live", True), ("upload", False)])
async def test_the_chunk_grows_with_the_load_of_live_streams_and_shrinks_again(priority: str, grown: bool) -> None:
    watch = Watch()
    options = WorkerOptions(min_chunk_seconds=0.1, max_chunk_seconds=2)
    case = Setup(Laborious(watch), options, watch)
    async with case:
        stream, _ = case.stream(priority)
        assert case.worker.chunk_seconds == pytest.approx(0.1)
        stream.push(speech(60))
        stream.push(Pause(60 * SAMPLE_RATE))
        await stream.drained()
        assert case.worker.busy_ratio > 0.95
        assert case.worker.chunk_seconds == pytest.approx(2.0 if grown else 0.1, abs=0.1)
        watch.now += 10
        assert case.worker.chunk_seconds == pytest.approx(0.1)


async def test_a_backend_is_told_the_time_to_spare_and_not_by_how_long_a_step_is() -> None:
    watch = Watch()
    case = Setup(Laborious(watch), WorkerOptions(min_chunk_seconds=1, max_chunk_seconds=2), watch)
    async with case:
        stream, _ = case.stream()
        stream.push(speech(1))
        await stream.drained()
        assert case.backend.plans[-1].spare == 1, "long steps of an idle worker"
        for _ in range(40):
            stream.push(speech(2))
            await stream.drained()
        stream.push(speech(0.1))
        stream.push(Pause(81 * SAMPLE_RATE))
        await stream.drained()
        assert case.backend.plans[-1].spare < 0.1, "a pause brings a short step to a saturated worker"


async def test_who_waits_for_a_thread_tells_of_a_rush_before_the_busy_ratio_does() -> None:
    watch = Watch()
    case = Setup(Laborious(watch), WorkerOptions(min_chunk_seconds=1, max_chunk_seconds=4, max_batch=1), watch)
    async with case:
        crowd = [case.stream()[0] for _ in range(3)]
        for stream in crowd:
            stream.push(speech(1))
        await asyncio.gather(*(stream.drained() for stream in crowd))
        assert [plan.spare for plan in case.backend.plans] == pytest.approx([1, 0.75, 0.5])
