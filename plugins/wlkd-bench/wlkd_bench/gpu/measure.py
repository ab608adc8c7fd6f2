"""How long the parts of a batch take on a device, and how many streams that makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from wlkd_simulstreaming.encoder import HEARD_SILENCE
from wlkd_simulstreaming.mel import HOP_SAMPLES, LogMel
from wlkd_simulstreaming.token_run import TokenRun, TokenRuns

from wlkd_bench.gpu.roofline import Card, Roofline, Work
from wlkd_bench.gpu.shapes import Load, Network

GOAL_SECONDS = 2.0
"""The p95 of committed words."""
HEARD_SECONDS = 1.25
"""The p95 if computing took no time and every word found a step waiting: one stream of base has 1.49 s in virtual time
with steps of 0.25 s (docs/experiments.md), for which a word waits up to 0.24 s."""
WAITED = 0.95
"""Of a batch's time, that of the batch under way when a word is spoken, which 95 in 100 words wait for at most."""
MOST_BATCH_SECONDS = (GOAL_SECONDS - HEARD_SECONDS) / (1 + WAITED)
"""A word waits for the rest of one batch, and then for the batch that hears it: 0.38 s."""


@dataclass(frozen=True)
class Times:
    """Seconds of a batch of `rows` streams."""

    rows: int
    mel: float
    encoder: float
    memory: float
    prefix: float
    growing: float
    """One token, launched kernel by kernel."""
    token: float
    """One token, as the device computes it: recorded on a GPU."""

    def batch(self, load: Load) -> float:
        """All of it, with the parts one after the other."""
        return self.mel + self.encoder + self.memory + self.prefix + load.tokens * self.token


@torch.inference_mode()
def times(measured: Network, rows: int, load: Load, repeats: int) -> Times:
    """Medians of `repeats`."""

    def clock(work: Callable[[], object]) -> float:
        work()
        return median(_seconds(work, measured.device) for _ in range(repeats))

    def token(runs: TokenRuns) -> float:
        taken = []
        for _ in range(repeats):
            run = runs.begin(*measured.read(memory, load))
            # The first one records, or fills the buffers.
            run()
            taken.append(_seconds(partial(_go_on, run, load.tokens - 1), measured.device) / (load.tokens - 1))
        return median(taken)

    log_mel, audio = LogMel(measured.dims.n_mels, measured.device), torch.randn(load.frames * 2 * HOP_SAMPLES).numpy()
    mel = measured.mel(rows, load.frames)
    states, contents = measured.states(rows, load.frames), [load.frames - 50] * rows
    memory = measured.remember(rows, load)
    growing = token(measured.growing())
    return Times(
        rows,
        mel=clock(lambda: [log_mel(audio, 2 * load.frames) for _ in range(rows)]),
        encoder=clock(lambda: measured.encoder(mel)),
        memory=clock(lambda: measured.decoder.memory(states, contents, [HEARD_SILENCE] * rows)),
        prefix=clock(lambda: measured.read(memory, load)),
        growing=growing,
        token=token(measured.fixed()) if measured.device.type == "cuda" else growing,
    )


def _go_on(run: TokenRun, tokens: int) -> None:
    for _ in range(tokens):
        run().tolist()


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    wait()
    began = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Least:
    """What a batch must move and compute."""

    encoder: Work
    memory: Work
    prefix: Work
    token: Work
    """One, at the end of the run."""

    def seconds(self, card: Card, load: Load) -> float:
        parts = (self.encoder, self.memory, self.prefix, self.token * load.tokens)
        return sum(part.seconds(card) for part in parts)


def least(roofline: Roofline, rows: int, load: Load) -> Least:
    """Of a batch of `rows` streams."""
    return Least(
        roofline.encoder(rows, load.frames),
        roofline.memory(rows, load.frames, load.heard - load.frames),
        roofline.tokens(rows, load.prefix, load.prefix, load.heard),
        roofline.tokens(rows, 1, load.prefix + load.tokens, load.heard),
    )


def streams(measured: Sequence[Times], load: Load) -> float:
    """How many of them make a batch of `MOST_BATCH_SECONDS`, between the sizes that were measured; with the largest one
    if they all take less."""
    before_rows, before_seconds = 0.0, 0.0
    for one in measured:
        seconds = one.batch(load)
        if seconds > MOST_BATCH_SECONDS:
            share = (MOST_BATCH_SECONDS - before_seconds) / (seconds - before_seconds)
            return max(before_rows + share * (one.rows - before_rows), 0.0)
        before_rows, before_seconds = one.rows, seconds
    return before_rows


class _Launches(TorchDispatchMode):
    """Counts operations that write something; each is a kernel on a GPU, some are more."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        looks = any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)
        if not looks and not str(func).startswith(("aten.empty", "aten.new_empty", "aten._unsafe_view")):
            self.count += 1
        return func(*args, **(kwargs or {}))


@torch.inference_mode()
def launches(counted: Network, load: Load) -> int:
    """Operations of one token; a network on the device `meta` will do."""
    run = counted.growing().begin(*counted.read(counted.remember(1, load), load))
    with _Launches() as counter:
        run()
    return int(counter.count)


def table(made: Network, measured: Sequence[Times], card: Card | None, load: Load) -> str:
    """Markdown, a line for each size of a batch."""
    roofline = Roofline(made.dims, made.dtype.itemsize)
    headings = ["streams", "mel", "encoder", "memory", "prefix", "a token, launched", "a token", "batch"]
    if card is not None:
        headings += ["encoder at least", "a token at least", "batch at least"]
    lines = [f"### {made.name}", "", "ms, for a batch of this number of streams:", ""]
    lines += [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for one in measured:
        values = [one.mel, one.encoder, one.memory, one.prefix, one.growing, one.token, one.batch(load)]
        if card is not None:
            bound = least(roofline, one.rows, load)
            values += [bound.encoder.seconds(card), bound.token.seconds(card), bound.seconds(card, load)]
        lines.append(f"| {' | '.join([str(one.rows), *(f'{1000 * value:.1f}' for value in values)])} |")
    most = streams(measured, load)
    least_of_all = "at least " if most == measured[-1].rows else ""
    kept = roofline.stream_bytes(load.heard, load.prefix + load.tokens) / 2**20
    goal = f"a p95 of {GOAL_SECONDS:g} s (batches of {1000 * MOST_BATCH_SECONDS:.0f} ms)"
    costs = f"{launches(made, load)} launches a token; {kept:.0f} MiB a stream"
    lines += ["", f"{least_of_all}{most:.0f} streams at {goal}; {costs}."]
    return "\n".join(lines)
