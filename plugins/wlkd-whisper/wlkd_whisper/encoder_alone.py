"""Loads the encoder of a CTranslate2 Whisper model without the rest of it, for those who decode in another way.

CTranslate2 loads whole models only, and the decoder is the larger part: 52 of the 75 MB that base takes in int8, 1.8 of
the 3.1 GB of large-v3 in float16. What it insists on is a decoder with some layer and some tokens: one of each does.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from wlkd_whisper.modelbin import BINARY_VERSION, ModelBin, Variable

EMBEDDINGS = "decoder/embeddings/"
LAYER, FIRST_LAYER = "decoder/layer_", "decoder/layer_0/"
NORM = "decoder/layer_norm/"


@contextmanager
def encoder_alone(folder: Path) -> Iterator[Path]:
    """A folder to load in the place of `folder`, a CTranslate2 Whisper, by who does nothing but encode with it.

    Its `model.bin` lies in memory until the end of the block. Where there is no place for temporary files it is
    `folder` itself. Raises ModelFileError, OSError.
    """
    model = ModelBin.open(folder / "model.bin")
    try:
        place = tempfile.TemporaryDirectory(prefix="wlkd-encoder-")
    except OSError:  # a system that is read only: then the rest is loaded with it
        yield folder
        return
    with place as name, os.fdopen(os.memfd_create("model.bin"), "w+b") as stream:
        _write(model, stream)
        stream.flush()
        alone = Path(name)
        (alone / "model.bin").symlink_to(f"/proc/self/fd/{stream.fileno()}")
        for file in folder.resolve().iterdir():
            if file.name != "model.bin":
                (alone / file.name).symlink_to(file)
        yield alone


def _write(model: ModelBin, stream: BinaryIO) -> None:
    """What is needed of `model`, in the layout that `modelbin` describes."""
    kept = {
        name: _first_row(variable) if name.startswith(EMBEDDINGS) else variable
        for name, variable in model.variables.items()
        if not name.startswith(LAYER) or name.startswith((FIRST_LAYER, NORM))
    }
    aliases = {name: target for name, target in model.aliases.items() if target in kept}
    stream.write(struct.pack("<I", BINARY_VERSION))
    _write_string(stream, model.specification)
    stream.write(struct.pack("<II", model.revision, len(kept)))
    with model.path.open("rb") as source:
        for name, variable in kept.items():
            rank = len(variable.shape)
            _write_string(stream, name)
            stream.write(struct.pack(f"<B{rank}IBI", rank, *variable.shape, variable.type_id, variable.nbytes))
            source.seek(variable.offset)
            stream.write(source.read(variable.nbytes))
    stream.write(struct.pack("<I", len(aliases)))
    for name, target in aliases.items():
        _write_string(stream, name)
        _write_string(stream, target)


def _first_row(variable: Variable) -> Variable:
    if not variable.shape:
        return variable
    rows, *others = variable.shape
    return replace(variable, shape=(1, *others), nbytes=variable.nbytes // rows)


def _write_string(stream: BinaryIO, text: str) -> None:
    raw = text.encode() + b"\0"
    stream.write(struct.pack("<H", len(raw)) + raw)
