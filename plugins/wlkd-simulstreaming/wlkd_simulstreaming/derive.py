"""Rebuilds OpenAI's PyTorch checkpoint from CTranslate2's `model.bin`.

A float16 `model.bin` holds every weight of the checkpoint under other names; the value is the same, bit for
bit. Two things differ: projections that share an input are stacked along their first axis (query, key, value
in self-attention; key, value in cross-attention), and keys have a bias, always zero, that PyTorch's lack.

This lives beside the backend that reads the checkpoint, not in the core: writing one needs torch, and torch
stays out of the core. `wlkd models derive-decoder` finds it through the entry-point group
`wlkd.derive_decoder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from wlkd_whisper.dims import ModelFileError
from wlkd_whisper.modelbin import ModelBin

FLOATS = ("<f2", "<f4")


def derive_decoder(model_bin: Path, target: Path) -> None:
    """Write `target` (`<size>.pt`: `dims`, and `model_state_dict` in float16) from `model_bin`.

    The file appears complete or not at all, readable by everybody. Raises ModelFileError when `model_bin` is
    incomplete, quantised or no Whisper model; OSError when a file cannot be read or written.
    """
    source = ModelBin.open(model_bin)
    checkpoint = {"dims": asdict(source.dims()), "model_state_dict": dict(state_dict(source))}
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with unfinished.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        # The service runs as another user than the person who derives.
        unfinished.chmod(0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def state_dict(source: ModelBin) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of the checkpoint, by the name that openai-whisper gives it, in float16."""
    dims = source.dims()
    yield from _parameters(source, "encoder/conv1", "encoder.conv1")
    yield from _parameters(source, "encoder/conv2", "encoder.conv2")
    yield "encoder.positional_embedding", _tensor(source, "encoder/position_encodings/encodings")
    for index in range(dims.n_audio_layer):
        yield from _block(source, f"encoder/layer_{index}", f"encoder.blocks.{index}", cross=False)
    yield from _norm(source, "encoder/layer_norm", "encoder.ln_post")

    yield "decoder.token_embedding.weight", _tensor(source, "decoder/embeddings/weight")
    yield "decoder.positional_embedding", _tensor(source, "decoder/position_encodings/encodings")
    for index in range(dims.n_text_layer):
        yield from _block(source, f"decoder/layer_{index}", f"decoder.blocks.{index}", cross=True)
    yield from _norm(source, "decoder/layer_norm", "decoder.ln")


Named = Iterator[tuple[str, torch.Tensor]]


def _block(source: ModelBin, theirs: str, ours: str, *, cross: bool) -> Named:
    attention = f"{theirs}/self_attention"
    yield from _norm(source, f"{attention}/layer_norm", f"{ours}.attn_ln")
    yield from _stacked(source, f"{attention}/linear_0", f"{ours}.attn", ("query", "key", "value"))
    yield from _parameters(source, f"{attention}/linear_1", f"{ours}.attn.out")
    if cross:
        attention = f"{theirs}/attention"
        yield from _norm(source, f"{attention}/layer_norm", f"{ours}.cross_attn_ln")
        yield from _parameters(source, f"{attention}/linear_0", f"{ours}.cross_attn.query")
        yield from _stacked(source, f"{attention}/linear_1", f"{ours}.cross_attn", ("key", "value"))
        yield from _parameters(source, f"{attention}/linear_2", f"{ours}.cross_attn.out")
    yield from _norm(source, f"{theirs}/ffn/layer_norm", f"{ours}.mlp_ln")
    yield from _parameters(source, f"{theirs}/ffn/linear_0", f"{ours}.mlp.0")
    yield from _parameters(source, f"{theirs}/ffn/linear_1", f"{ours}.mlp.2")


def _stacked(source: ModelBin, theirs: str, ours: str, projections: Sequence[str]) -> Named:
    """Projections of width d, stacked: weight (n * d, d), bias (n * d,)."""
    weights = torch.chunk(_tensor(source, f"{theirs}/weight"), len(projections))
    biases = torch.chunk(_tensor(source, f"{theirs}/bias"), len(projections))
    for projection, weight, bias in zip(projections, weights, biases, strict=True):
        # clone: torch.save stores a view together with the whole tensor that it looks into.
        yield f"{ours}.{projection}.weight", weight.clone()
        if projection != "key":
            yield f"{ours}.{projection}.bias", bias.clone()
        elif bias.count_nonzero():
            raise ModelFileError(f"{source.path}: {theirs} has a key bias, which Whisper's checkpoint cannot hold")


def _parameters(source: ModelBin, theirs: str, ours: str) -> Named:
    yield f"{ours}.weight", _tensor(source, f"{theirs}/weight")
    yield f"{ours}.bias", _tensor(source, f"{theirs}/bias")


def _norm(source: ModelBin, theirs: str, ours: str) -> Named:
    yield f"{ours}.weight", _tensor(source, f"{theirs}/gamma")
    yield f"{ours}.bias", _tensor(source, f"{theirs}/beta")


def _tensor(source: ModelBin, name: str) -> torch.Tensor:
    array = source.array(name)
    if array.dtype.str not in FLOATS:
        raise ModelFileError(
            f"{source.path}: {name} is quantised to {array.dtype}; a decoder can be derived from a float16 "
            f"model.bin only"
        )
    return torch.from_numpy(np.array(array, dtype=np.float16))
