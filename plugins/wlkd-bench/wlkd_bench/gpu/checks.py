"""Is the backend right on a device, and does it keep within what it claims?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ctranslate2
import numpy as np
import torch
from jiwer import process_words
from prometheus_client import CollectorRegistry
from torch import Tensor
from torch.autograd.profiler import profile
from wlkd_simulstreaming.checkpoint import load_checkpoint
from wlkd_simulstreaming.encoder import CTranslate2Encoder, TorchEncoder
from wlkd_simulstreaming.layers import FloatLinear
from wlkd_simulstreaming.mel import LogMel
from wlkd_whisper.folder import decoder_file, encoder_dir

from wlkd import Backend, Context, Vad
from wlkd.testing import speech_like
from wlkd_bench.clips import Clip
from wlkd_bench.components import component
from wlkd_bench.gpu.roofline import Roofline
from wlkd_bench.gpu.shapes import Load, Network
from wlkd_bench.simulate import Simulation

ROWS = 4
ENCODERS_DIFFER = {"cpu": 5e-3, "cuda": 2e-2}
"""Of the states' norm: float32 against float32, float16 against float16."""
TRANSCRIPTS_DIFFER = 0.01
"""Of the words: float16 rounds otherwise than float32, and a near tie may fall to the other side."""
MEMORY_DIFFERS = 0.05
PER_TOKEN = {
    "aten::_local_scalar_dense": 0,
    "Memcpy HtoD": 0,
    "Memcpy DtoH": 1,
    "cudaStreamSynchronize": 1,
    "cudaDeviceSynchronize": 0,
}
"""What a token may do at most: its result comes to the host in one copy, and the host waits for that alone."""
UNADDRESSABLE = 2**48
"""Bytes that no process has, whatever the machine lends it."""


@dataclass(frozen=True)
class Check:
    """What was found."""

    name: str
    passed: bool | None
    """None: it could not be tried."""
    detail: str

    def __str__(self) -> str:
        return f"{ {True: 'ok', False: 'FAILED', None: 'not tried'}[self.passed] }: {self.name}: {self.detail}"


def tokens_said(network: Network, load: Load, *, fixed: bool) -> Tensor:
    """(rows, tokens, 6), see `best_two`; the same load at every call."""
    torch.manual_seed(9)
    runs = network.fixed() if fixed else network.growing()
    run = runs.begin(*network.read(network.remember(ROWS, load), load))
    return torch.cat([run().clone() for _ in range(load.tokens)], dim=1)


def replay(network: Network, load: Load) -> Check:
    """What is said by work that was recorded, against what is said without."""
    ours, theirs = tokens_said(network, load, fixed=True), tokens_said(network, load, fixed=False)
    same = (ours[..., 0] == theirs[..., 0]).float().mean().item()
    detail = f"{same:.1%} of {ours.shape[0] * ours.shape[1]} tokens are the same"
    return Check("recorded tokens", same == 1.0, detail)


def host_copies(network: Network, load: Load) -> Check:
    """What goes between host and device in each token, by the profiler: a long run less a short one."""
    short, long = _events(network, load, 2), _events(network, load, load.tokens)
    per_token = {name: (long[name] - short[name]) / (load.tokens - 2) for name in PER_TOKEN}
    wrong = [name for name, most in PER_TOKEN.items() if per_token[name] > most]
    told = ", ".join(f"{name} {count:g} (at most {PER_TOKEN[name]})" for name, count in per_token.items())
    return Check("host copies per token", not wrong, told)


def _events(network: Network, load: Load, tokens: int) -> Counter[str]:
    run = network.fixed().begin(*network.read(network.remember(ROWS, load), load))
    run()
    # `torch.profiler` is the same, but first imports a compiler that nothing here needs.
    with profile(use_device="cuda" if network.device.type == "cuda" else None) as profiled:
        for _ in range(tokens - 1):
            run().tolist()
    names = [event.name for event in profiled.function_events or []]
    return Counter({watched: sum(name.startswith(watched) for name in names) for watched in PER_TOKEN})


def memory_per_stream(network: Network, load: Load) -> Check:
    """Keys and values of one more stream in a batch, against the dimensions' word."""
    predicted = Roofline(network.dims, network.dtype.itemsize).stream_bytes(load.heard, load.prefix + load.tokens)
    measured = (_held(network, load, 2 * ROWS) - _held(network, load, ROWS)) / ROWS
    detail = f"{measured / 2**20:.1f} MiB, predicted {predicted / 2**20:.1f}"
    return Check("memory per stream", abs(measured / predicted - 1) < MEMORY_DIFFERS, detail)


def _held(network: Network, load: Load, rows: int) -> int:
    """Bytes that a batch holds while it is decoded."""
    if network.device.type == "cuda":
        before = torch.cuda.memory_allocated(network.device)
        memory = network.remember(rows, load)
        kept = network.decoder.cache(memory, load.prefix + load.tokens)
        held = torch.cuda.memory_allocated(network.device) - before
        del memory, kept
        return held
    memory = network.remember(rows, load)
    cache = network.decoder.cache(memory, load.prefix + load.tokens)
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in (*memory.keys, *memory.values, *cache.keys, *cache.values)
    }
    return sum(storages.values())


def out_of_memory(network: Network, load: Load) -> Check:
    """A batch that cannot fit is refused with one error, and costs the next one nothing."""
    before = tokens_said(network, load, fixed=True)
    memory = network.remember(ROWS, load)
    on_gpu = network.device.type == "cuda"
    most = torch.cuda.get_device_properties(network.device).total_memory if on_gpu else UNADDRESSABLE
    slots = 2 * most // (ROWS * Roofline(network.dims, network.dtype.itemsize).frame_bytes)
    try:
        network.decoder.cache(memory, slots)
    except RuntimeError as error:
        refusal = str(error).splitlines()[0]
    else:
        return Check("out of memory", False, f"{slots} slots were not refused")
    unchanged = torch.equal(before, tokens_said(network, load, fixed=True))
    after = "the next batch says what it said before" if unchanged else "the next batch says something else"
    return Check("out of memory", unchanged and "alloc" in refusal, f"{refusal}; {after}")


def encoders(models: Path, model: str, device: torch.device) -> Check:
    """CTranslate2's encoder against PyTorch's, on sound like speech."""
    name = f"encoders of {model}"
    folder, file = encoder_dir(models, model), decoder_file(models, model)
    if not folder.is_dir() or not file.is_file():
        return Check(name, None, f"{folder} and {file} are not both there")
    precision, dtype = ("float16", torch.float16) if device.type == "cuda" else ("float32", torch.float32)
    checkpoint = load_checkpoint(file)
    theirs = ctranslate2.models.Whisper(
        str(folder), device=device.type, device_index=device.index or 0, compute_type=precision
    )
    mel = LogMel(checkpoint.dims.n_mels)(np.asarray(speech_like(4.0), np.float32), 500)[None]
    one = CTranslate2Encoder(theirs, device, dtype)(mel).float()
    with torch.inference_mode():
        two = TorchEncoder(checkpoint.dims, checkpoint.weights, device, dtype, FloatLinear)(mel).float()
    apart = ((one - two).norm() / two.norm()).item()
    most = ENCODERS_DIFFER[device.type]
    return Check(name, apart < most, f"states differ by {apart:.1e} of their norm (at most {most:.0e})")


async def transcripts(models: Path, model: str, device: torch.device, clips: Sequence[Clip]) -> Check:
    """What the device writes, in float16 on a GPU, against the CPU in float32."""
    name = f"transcripts of {model}"
    if not clips or not encoder_dir(models, model).is_dir():
        return Check(name, None, "no clips (--manifest) or no model (--models)")
    on_cpu = {"device": "cpu", "compute_type": "float32", "decoder_compute_type": "float32"}
    ours = await _texts(models, {"model": model, "device": device.type, "device_index": device.index or 0}, clips)
    theirs = await _texts(models, {"model": model} | on_cpu, clips)
    counts = process_words([text or "-" for text in theirs], [text or "-" for text in ours])
    words = counts.hits + counts.substitutions + counts.deletions
    differing = counts.substitutions + counts.deletions + counts.insertions
    detail = f"{differing} of {words} words of {len(clips)} clips differ (at most {TRANSCRIPTS_DIFFER:.0%})"
    return Check(name, differing <= TRANSCRIPTS_DIFFER * words, detail)


async def _texts(models: Path, options: dict[str, Any], clips: Sequence[Clip]) -> list[str]:
    ctx = Context(models, CollectorRegistry(), lambda _: None)
    backend = cast(Backend, await component("backend", "simulstreaming", options, ctx))
    vad = cast(Vad, await component("vad", "silero", {}, ctx))
    simulation = Simulation(backend, vad, 8, 0.5, "manifest", False)
    texts = {speaker.clip.id: speaker.committed for speaker, _ in simulation.run(clips)}
    await backend.close()
    await vad.close()
    return [texts[clip.id] for clip in clips]


@torch.inference_mode()
def on_network(network: Network, load: Load) -> Iterator[Check]:
    """The checks that need no files."""
    for check in (replay, host_copies, memory_per_stream, out_of_memory):
        yield check(network, load)
