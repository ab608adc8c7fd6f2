"""The worker's threads: several batches at once, one that takes long, and closing behind the last one."""

import asyncio
from collections.abc import Sequence

from tests.echo import Echo, Setup, Watch, setup, speech
from wlkd.config.options import WorkerOptions
from wlkd.contract.components import Recognizer, StepPlan
from wlkd.contract.types import Commit, RecognitionParams
from wlkd.inference.capacity import TEST_CHUNK_SECONDS, sessions_for
from wlkd.inference.worker import Worker
from wlkd.metrics import Metrics


async def test_the_self_test_runs_on_the_inference_thread() -> None:
    backend = Echo(step_seconds=0.1)
    worker = Worker(backend, WorkerOptions(), Metrics())
    await worker.start(warm_up=True, measure=True)
    stream = worker.open(RecognitionParams(), lambda _: None)
    stream.push(speech(1))
    await stream.drained()
    assert len(backend.batches) > 1
    assert backend.threads == {"inference_0"}
    # A busy machine makes a step take longer than it sleeps, up to twice as long; nothing makes it shorter.
    least = sessions_for(TEST_CHUNK_SECONDS / (2 * backend.step_seconds))
    assert least <= worker.capacity.sessions <= sessions_for(8 * TEST_CHUNK_SECONDS / backend.step_seconds)
    await worker.close()


async def test_a_closed_stream_frees_its_place_and_is_not_called_again() -> None:
    async with setup() as case:
        case.backend.go_on.clear()
        stream, outcomes = case.stream()
        stream.push(speech(1))
        await case.backend.begins()
        stream.close()
        other, _ = case.stream()
        other.push(speech(1))
        case.backend.go_on.set()
        await other.drained()
        assert case.backend.batches == [1, 1], "one thread: the closed stream's step was over first"
        assert outcomes == []
        assert case.worker.stalled_for() == 0


async def test_a_running_batch_shows_its_age() -> None:
    watch = Watch()
    async with Setup(Echo(), WorkerOptions(), watch) as case:
        case.backend.go_on.clear()
        stream, _ = case.stream()
        stream.push(speech(1))
        await case.backend.begins()
        watch.now += 5
        assert case.worker.stalled_for() == 5
        case.backend.go_on.set()
        await stream.drained()
        assert case.worker.stalled_for() == 0


class Wide(Echo):
    """Two steps at once, no stream in both."""

    concurrency = 2

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds)
        self.inside: list[Recognizer] = []
        self.most = 0

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        recognizers = [plan.recognizer for plan in batch]
        assert not set(recognizers) & set(self.inside), "a stream is in two batches"
        self.inside += recognizers
        self.most = max(self.most, len(self.inside))
        commits = super().run(batch)
        for recognizer in recognizers:
            self.inside.remove(recognizer)
        return commits


async def test_a_backend_that_can_gets_several_batches_at_once() -> None:
    case = Setup(Wide(step_seconds=0.1), WorkerOptions(min_chunk_seconds=0.5, max_chunk_seconds=0.5))
    async with case:
        (one, heard), (other, heard_too) = case.stream(), case.stream()
        one.push(speech(2))
        other.push(speech(2))
        await asyncio.gather(one.drained(), other.drained())
        assert [len(heard), len(heard_too)] == [4, 4]
        assert case.backend.batches == [1] * 8, "who is due is shared out"
        assert case.backend.most == 2  # type: ignore[attr-defined]
        assert len(case.backend.threads) == 2


async def test_a_free_thread_does_not_wait_for_the_other_ones_batch() -> None:
    case = Setup(Wide(), WorkerOptions(min_chunk_seconds=0.5, max_chunk_seconds=0.5))
    async with case:
        case.backend.go_on.clear()
        (one, _), (other, _) = case.stream(), case.stream()
        one.push(speech(0.5))
        await case.backend.begins()
        other.push(speech(0.5))
        await case.backend.begins()
        case.backend.go_on.set()
        await asyncio.gather(one.drained(), other.drained())
        assert case.backend.most == 2, "the second began when the first was over"  # type: ignore[attr-defined]


async def test_closing_waits_for_the_running_batch() -> None:
    case = setup()
    await case.worker.start(warm_up=True)
    case.backend.go_on.clear()
    stream, _ = case.stream()
    stream.push(speech(1))
    await case.backend.begins()
    closing = asyncio.create_task(case.worker.close())
    for _ in range(10):  # turns of the event loop: what does not wait for the batch would be over
        await asyncio.sleep(0)
    assert not closing.done() and case.backend.batches == []
    case.backend.go_on.set()
    await closing
    assert case.backend.batches == [1], "the backend may be closed now, and the batch would still run"


async def test_closing_waits_for_the_self_test() -> None:
    backend = Echo()
    backend.go_on.clear()
    worker = Worker(backend, WorkerOptions(), Metrics())
    await worker.start(warm_up=False, measure=True)
    await backend.begins()
    closing = asyncio.create_task(worker.close())
    for _ in range(10):  # turns of the event loop: what does not wait for the test would be over
        await asyncio.sleep(0)
    assert not closing.done() and backend.batches == []
    backend.go_on.set()
    await closing
    assert backend.batches, "the backend may be closed now, and the test would still run"
