"""Tokens whose work was recorded: what is replayed without its Python says what decoding says."""

from contextlib import contextmanager
from typing import ClassVar

import pytest
import torch
from prometheus_client import CollectorRegistry
from torch.utils._python_dispatch import TorchDispatchMode
from wlkd_simulstreaming.decoder import TextDecoder
from wlkd_simulstreaming.decoding import GreedyDecoding
from wlkd_simulstreaming.hypothesis import Request
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.token_run import best_two, cuda_graphs, rounded

from .talk import memory_of

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


class Recorder(TorchDispatchMode):
    """Notes every operation with the tensors that it was given and that it made, as a CUDA graph does."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        assert func is not torch.ops.aten._local_scalar_dense.default, "Python looks into a tensor"
        self.operations.append((func, args, kwargs or {}, made))
        return made

    def allocated(self):
        """What was made, and is no view of what was there before."""
        given, made = set(), {}
        for _, args, kwargs, results in self.operations:
            given |= {place(one) for one in tensors([*args, *kwargs.values()])} - made.keys()
            for one in tensors(results):
                if place(one) not in given:
                    made.setdefault(place(one), one)
        return list(made.values())


def record(work, made=None):
    """A `Capture` for the CPU: does every operation again, and puts the results where the first ones were. `made`:
    takes what the operations allocate."""
    recorder = Recorder()
    with recorder:
        work()
    if made is not None:
        made += recorder.allocated()

    def replay():
        for func, args, kwargs, made in recorder.operations:
            again = func(*args, **kwargs)
            for old, new in zip(tensors(made), tensors(again), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    return replay


def place(tensor):
    return tensor.untyped_storage().data_ptr()


def tensors(made):
    return [made] if isinstance(made, torch.Tensor) else [one for one in made if isinstance(one, torch.Tensor)]


def sharing():
    """A `Capture` as `record`, whose replays write over whatever other ones have allocated, as in one memory pool."""
    spoilt = []

    def capture(work):
        made = []
        replay = record(work, made)

        def spoil_and_replay():
            for one in spoilt:
                if not any(one is own for own in made):
                    one.fill_(True if one.dtype == torch.bool else 1e4)
            replay()

        spoilt.extend(made)
        return spoil_and_replay

    return capture


def plainly(work):
    return work


@pytest.fixture(scope="module")
def decoder(dims, weights):
    made = TextDecoder(dims, weights, [(1, 0), (2, 1)], CPU, torch.float32, FloatLinear, padded=True)
    made.remember_silence(torch.randn(1500, dims.n_text_state, generator=torch.Generator().manual_seed(2)))
    return made


def decoding(decoder, vocabulary, capture):
    return GreedyDecoding(decoder, vocabulary, [5, 6], [32], 10_000, Metrics(CollectorRegistry()), capture)


def request(vocabulary, prefix, draft, most):
    start = (vocabulary.sot, vocabulary.languages["en"], vocabulary.transcribe, vocabulary.no_timestamps)
    return Request((*start, *prefix), draft, len(prefix), 0, 0, None, most)


def batches(decoder, dims, vocabulary):
    """Of one row and of many, of several lengths, with rows that end sooner than others."""
    generator = torch.Generator().manual_seed(3)
    mosts = (9, 14, 20, 3, 12)
    for count, length in ((5, 60), (1, 300), (5, 40)):
        states = [torch.randn(length + row, dims.n_text_state, generator=generator) for row in range(count)]
        memory = memory_of(decoder, states, [length - 10] * count)
        yield (
            memory,
            [request(vocabulary, range(100, 100 + 3 * row), (7,) * (row % 3), mosts[row]) for row in range(count)],
        )


@pytest.mark.parametrize("capture", [plainly, record, sharing()])
def test_a_run_of_fixed_size_says_what_a_growing_one_says(decoder, dims, vocabulary, capture):
    growing, fixed = decoding(decoder, vocabulary, None), decoding(decoder, vocabulary, capture)
    said = 0
    for memory, requests in batches(decoder, dims, vocabulary):
        for ours, theirs in zip(fixed.decode(memory, requests), growing.decode(memory, requests), strict=True):
            assert (ours.tokens, ours.frames, ours.guards) == (theirs.tokens, theirs.frames, theirs.guards)
            assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
            said += len(ours.tokens)
    assert said > 20


def test_sizes_are_few_and_large_enough():
    assert [rounded(rows, 1, 1)[0] for rows in (1, 2, 3, 5, 8, 9, 17, 60, 64)] == [1, 2, 4, 8, 8, 16, 24, 64, 64]
    assert rounded(4, 700, 129) == (4, 768, 192)
    assert rounded(4, 1500, 448) == (4, 1536, 448)


def test_what_is_said_of_a_place():
    probabilities = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    attention = torch.zeros(1, 20)
    attention[0, 10:14] = 0.25
    said = best_two(probabilities.log() + 5, attention, torch.tensor([0, 3]))
    assert said[0, [0, 2]].tolist() == [1, 3]
    assert said[0, [1, 3, 4]].exp().tolist() == pytest.approx([0.4, 0.3, 0.4])
    assert said[0, 5] in range(10, 14)


class FakeStream:
    def __init__(self, device=None):
        self.device = FakeCuda.current if device is None else device

    def wait_stream(self, other):
        assert other.device == self.device


class FakeCuda:
    """What of `torch.cuda` records; as there, the current device and stream are the first one's until they are set."""

    current = torch.device("cuda", 0)
    streams: ClassVar[dict[torch.device, FakeStream]] = {}
    recording = False
    Stream = FakeStream

    class CUDAGraph:
        shared: object = None

        def replay(self):
            """Nothing is there to do it."""

        def pool(self):
            return self.shared

    @staticmethod
    @contextmanager
    def device(wanted):
        before, FakeCuda.current = FakeCuda.current, wanted
        yield
        FakeCuda.current = before

    @staticmethod
    def current_stream(device=None):
        return FakeCuda.streams.setdefault(FakeCuda.current, FakeStream())

    @staticmethod
    @contextmanager
    def stream(wanted):
        with FakeCuda.device(wanted.device):
            before, FakeCuda.streams[wanted.device] = FakeCuda.current_stream(), wanted
            yield
            FakeCuda.streams[wanted.device] = before

    @staticmethod
    @contextmanager
    def graph(graph, pool=None, stream=None, capture_error_mode="global"):
        graph.shared = object() if pool is None else pool
        with FakeCuda.stream(stream or FakeStream()):
            FakeCuda.recording = True
            yield
            FakeCuda.recording = False


def test_work_is_recorded_on_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch, "cuda", FakeCuda)
    seen = []
    captures = [cuda_graphs(torch.device("cuda", index)) for index in (1, 0, 1)]
    for capture in captures:
        for _ in range(2):
            capture(lambda: seen.append((FakeCuda.recording, FakeCuda.current_stream())))
    assert [recording for recording, _ in seen] == [False, False, True] * 6
    assert [stream.device.index for _, stream in seen] == [1] * 6 + [0] * 6 + [1] * 6
    # Each stream that computes has a workspace of its own, which libraries keep: one for each model.
    assert len({id(stream) for _, stream in seen}) == 3
    assert FakeCuda.current == torch.device("cuda", 0)


def test_graphs_of_one_model_share_their_memory(monkeypatch):
    monkeypatch.setattr(torch, "cuda", FakeCuda)
    ours, theirs = (cuda_graphs(torch.device("cuda", 0)) for _ in range(2))

    def pool(replay):
        return replay.__self__.pool()

    first, second = ours(lambda: None), ours(lambda: None)
    assert pool(first) is pool(second) is not pool(theirs(lambda: None))
    third = ours(lambda: None)
    before = pool(first)
    del first, third
    assert pool(ours(lambda: None)) is before, "the second is still there"

    def fail():
        if FakeCuda.recording:
            raise torch.OutOfMemoryError

    FakeCuda.recording = False
    with pytest.raises(torch.OutOfMemoryError):
        ours(fail)
    FakeCuda.recording = False
    assert pool(ours(lambda: None)) is not before


def test_the_memory_of_graphs_that_are_gone_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(torch, "cuda", FakeCuda)
    asked = []

    @contextmanager
    def graph(graph, pool=None, stream=None, capture_error_mode="global"):
        asked.append(pool)
        graph.shared = "a pool"
        yield

    monkeypatch.setattr(FakeCuda, "graph", graph)
    capture = cuda_graphs(torch.device("cuda", 0))
    kept = capture(lambda: None)
    capture(lambda: None)
    del kept
    capture(lambda: None)
    assert asked == [None, "a pool", None]
