"""Small models, made up on the spot in the real formats."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wlkd_whisper.dims import WhisperDims

DIMS = WhisperDims(
    n_mels=4,
    n_audio_ctx=6,
    n_audio_state=8,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=11,
    n_text_ctx=5,
    n_text_state=8,
    n_text_head=2,
    n_text_layer=3,
)
CONFIG = {"alignment_heads": [[2, 1]], "lang_ids": [], "suppress_ids": [1, 2], "suppress_ids_begin": None}
"""Of an encoder's folder. A fine-tuned model has null for tokens that it does not suppress."""
TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


@dataclass(frozen=True)
class Maker:
    """Writes halves of pairs below one folder."""

    root: Path

    def encoder(self, size: str, dims: WhisperDims = DIMS, **changes: np.ndarray[Any, Any]) -> Path:
        """`faster-whisper-<size>`; `changes` replace variables by name, with `__` for `/`. Returns the folder."""
        folder = self.root / f"faster-whisper-{size}"
        folder.mkdir(parents=True)
        replaced = {name.replace("__", "/"): value for name, value in changes.items()}
        (folder / "model.bin").write_bytes(model_bin(whisper_variables(dims) | replaced))
        (folder / "config.json").write_text(json.dumps(CONFIG))
        words = [f"word{index}" for index in range(dims.n_vocab - 1)] + ["<|startoftranscript|>"]
        special = {"id": dims.n_vocab - 1, "content": "<|startoftranscript|>"}
        (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [special]}))
        (folder / "vocabulary.txt").write_text("".join(f"{word}\n" for word in words))
        return folder

    def decoder(self, size: str, dims: WhisperDims = DIMS) -> Path:
        """`pytorch-whisper-<size>/<size>.pt`. Returns the file."""
        target = self.root / f"pytorch-whisper-{size}" / f"{size}.pt"
        target.parent.mkdir(parents=True)
        write_checkpoint(target, {"dims": asdict(dims), "model_state_dict": {"decoder.ln.bias": [0.0]}})
        return target


def write_checkpoint(path: Path, content: object) -> None:
    """A zip as torch.save writes it, as far as its dimensions go."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/data/0", bytes(4096))


def whisper_variables(dims: WhisperDims) -> dict[str, np.ndarray[Any, Any]]:
    """Every variable of a CTranslate2 Whisper, with random weights in float16."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray[Any, Any]:
        return random.standard_normal(shape).astype(np.float16)

    found: dict[str, np.ndarray[Any, Any]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        found[f"{name}/weight"] = weights(outputs, inputs)
        found[f"{name}/bias"] = weights(outputs)

    def norm(name: str, width: int) -> None:
        found[f"{name}/gamma"] = weights(width)
        found[f"{name}/beta"] = weights(width)

    def layer(name: str, width: int, *, cross: bool) -> None:
        norm(f"{name}/self_attention/layer_norm", width)
        linear(f"{name}/self_attention/linear_0", 3 * width, width)
        found[f"{name}/self_attention/linear_0/bias"][width : 2 * width] = 0
        linear(f"{name}/self_attention/linear_1", width, width)
        if cross:
            norm(f"{name}/attention/layer_norm", width)
            linear(f"{name}/attention/linear_0", width, width)
            linear(f"{name}/attention/linear_1", 2 * width, width)
            found[f"{name}/attention/linear_1/bias"][:width] = 0
            linear(f"{name}/attention/linear_2", width, width)
        norm(f"{name}/ffn/layer_norm", width)
        linear(f"{name}/ffn/linear_0", 4 * width, width)
        linear(f"{name}/ffn/linear_1", width, 4 * width)

    wide = dims.n_audio_state
    found["encoder/num_heads"] = np.int16(dims.n_audio_head).reshape(())
    found["encoder/conv1/weight"] = weights(wide, dims.n_mels, 3)
    found["encoder/conv1/bias"] = weights(wide)
    found["encoder/conv2/weight"] = weights(wide, wide, 3)
    found["encoder/conv2/bias"] = weights(wide)
    found["encoder/position_encodings/encodings"] = weights(dims.n_audio_ctx, wide)
    norm("encoder/layer_norm", wide)
    for index in range(dims.n_audio_layer):
        layer(f"encoder/layer_{index}", wide, cross=False)
    found["decoder/num_heads"] = np.int16(dims.n_text_head).reshape(())
    found["decoder/embeddings/weight"] = weights(dims.n_vocab, dims.n_text_state)
    found["decoder/position_encodings/encodings"] = weights(dims.n_text_ctx, dims.n_text_state)
    norm("decoder/layer_norm", dims.n_text_state)
    for index in range(dims.n_text_layer):
        layer(f"decoder/layer_{index}", dims.n_text_state, cross=True)
    return found


def model_bin(
    variables: dict[str, np.ndarray[Any, Any]], *, version: int = 6, specification: str = "WhisperSpec"
) -> bytes:
    """The file format of CTranslate2, binary version 6."""
    out = io.BytesIO()

    def text(value: str) -> None:
        raw = value.encode() + b"\0"
        out.write(struct.pack("<H", len(raw)) + raw)

    out.write(struct.pack("<I", version))
    text(specification)
    out.write(struct.pack("<II", 3, len(variables)))
    for name, value in variables.items():
        text(name)
        out.write(struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape))
        out.write(struct.pack("<BI", TYPE_IDS[value.dtype.name], value.nbytes))
        out.write(value.tobytes())
    out.write(struct.pack("<I", 1))
    text("decoder/projection/weight")
    text("decoder/embeddings/weight")
    return out.getvalue()


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def config() -> dict[str, Any]:
    return dict(CONFIG)


@pytest.fixture
def dims() -> WhisperDims:
    return DIMS


@pytest.fixture
def variables() -> Callable[[WhisperDims], dict[str, np.ndarray[Any, Any]]]:
    return whisper_variables


@pytest.fixture
def checkpoint() -> Callable[[Path, object], None]:
    return write_checkpoint


@pytest.fixture
def binary() -> Callable[..., bytes]:
    return model_bin
