"""Reads CTranslate2's `model.bin`: the table of variables by walking headers, the weights by mapping them.

Layout (binary version 6, little endian): uint32 version; specification name; uint32 revision; uint32 count
of variables; each variable is name, uint8 rank, uint32 per dimension, uint8 type, uint32 byte count, data;
then uint32 count of aliases, each alias name and variable name. A string is a uint16 length, which counts a
trailing NUL, and its bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wlkd_whisper.dims import ModelFileError, WhisperDims

BINARY_VERSION = 6
DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
BFLOAT16 = 5
MAX_RANK = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """One entry of the table; the data stay in the file."""

    shape: tuple[int, ...]
    type_id: int
    offset: int
    """Byte where the data begin."""
    nbytes: int


@dataclass(frozen=True, slots=True)
class ModelBin:
    """A complete `model.bin`: what it is, and where each variable lies."""

    path: Path
    specification: str
    revision: int
    variables: dict[str, Variable]
    aliases: dict[str, str]
    """Other names of variables."""

    @classmethod
    def open(cls, path: Path) -> ModelBin:
        """Walk the headers; reads a few kilobytes, no weights.

        Raises ModelFileError for a file that ends early or is not CTranslate2's, OSError when it cannot be read.
        """
        with path.open("rb") as stream:
            return _Walk(path, stream).model()

    def array(self, name: str) -> NDArray[Any]:
        """A read-only view of the variable in the mapped file. Raises ModelFileError when there is none."""
        variable = self._variable(name)
        if variable.type_id not in DTYPES:
            raise ModelFileError(f"{self.path}: {name} is in a number format that cannot be read here (bfloat16)")
        dtype = np.dtype(DTYPES[variable.type_id])
        if not variable.shape:
            return np.fromfile(self.path, dtype, count=1, offset=variable.offset).reshape(())
        return np.memmap(self.path, dtype, "r", variable.offset, variable.shape)

    def dims(self) -> WhisperDims:
        """The network's dimensions. Raises ModelFileError when this is not a Whisper model."""
        if self.specification != "WhisperSpec":
            raise ModelFileError(f"{self.path}: holds a {self.specification} model, not Whisper")
        audio_ctx, audio_state = self._shape("encoder/position_encodings/encodings", 2)
        text_ctx, text_state = self._shape("decoder/position_encodings/encodings", 2)
        return WhisperDims(
            n_mels=self._shape("encoder/conv1/weight", 3)[1],
            n_audio_ctx=audio_ctx,
            n_audio_state=audio_state,
            n_audio_head=int(self.array("encoder/num_heads")),
            n_audio_layer=self._layers("encoder"),
            n_vocab=self._shape("decoder/embeddings/weight", 2)[0],
            n_text_ctx=text_ctx,
            n_text_state=text_state,
            n_text_head=int(self.array("decoder/num_heads")),
            n_text_layer=self._layers("decoder"),
        )

    def _variable(self, name: str) -> Variable:
        if name not in self.variables:
            raise ModelFileError(f"{self.path}: has no {name}; is it a Whisper model?")
        return self.variables[name]

    def _shape(self, name: str, rank: int) -> tuple[int, ...]:
        shape = self._variable(name).shape
        if len(shape) != rank:
            raise ModelFileError(f"{self.path}: {name} has shape {shape}, expected {rank} dimensions")
        return shape

    def _layers(self, half: str) -> int:
        prefix = f"{half}/layer_"
        return len(
            {name.removeprefix(prefix).split("/")[0] for name in self.variables if name.startswith(f"{prefix}")}
            - {"norm"}
        )


class _Walk:
    """One pass over the headers of one open file."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream
        self.size = path.stat().st_size

    def model(self) -> ModelBin:
        version = self._number("<I")
        if version != BINARY_VERSION:
            raise ModelFileError(
                f"{self.path}: not a CTranslate2 model of binary version {BINARY_VERSION} (it says {version})"
            )
        specification = self._string()
        revision = self._number("<I")
        variables = dict(self._entry() for _ in range(self._number("<I")))
        aliases = {self._string(): self._string() for _ in range(self._number("<I"))}
        if self.stream.tell() != self.size:
            extra = self.size - self.stream.tell()
            raise ModelFileError(f"{self.path}: {extra} bytes too long; the copy is damaged")
        return ModelBin(self.path, specification, revision, variables, aliases)

    def _entry(self) -> tuple[str, Variable]:
        name = self._string()
        rank = self._number("<B")
        if rank > MAX_RANK:
            raise ModelFileError(f"{self.path}: damaged near byte {self.stream.tell()} ({name!r} has rank {rank})")
        shape = tuple(self._number("<I") for _ in range(rank))
        type_id = self._number("<B")
        nbytes = self._number("<I")
        width = 2 if type_id == BFLOAT16 else np.dtype(DTYPES[type_id]).itemsize if type_id in DTYPES else None
        # Python's whole numbers: a damaged shape must not wrap around to a plausible size.
        count = 1
        for length in shape:
            count *= length
        if width is None or count * width != nbytes:
            raise ModelFileError(f"{self.path}: damaged near byte {self.stream.tell()} ({name!r} has a wrong size)")
        offset = self.stream.tell()
        if offset + nbytes > self.size:
            raise ModelFileError(
                f"{self.path}: ends after {self.size:,} bytes, inside {name}; "
                f"at least {offset + nbytes:,} are needed: the copy is incomplete"
            )
        self.stream.seek(nbytes, 1)
        return name, Variable(shape, type_id, offset, nbytes)

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._read(struct.calcsize(form)))[0]
        return value

    def _string(self) -> str:
        raw = self._read(self._number("<H"))
        return raw.rstrip(b"\0").decode("utf-8", "replace")

    def _read(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise ModelFileError(f"{self.path}: ends early, after {self.size:,} bytes: the copy is incomplete")
        return data
