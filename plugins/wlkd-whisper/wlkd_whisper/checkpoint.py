"""Reads what an OpenAI checkpoint says about itself, without torch and without running anything in it.

A `.pt` is a zip: `<name>/data.pkl` is a pickle of `{"dims": {...}, "model_state_dict": {...}}` in which
tensors refer to records of their own, so the dimensions cost a few kilobytes whatever the model's size.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wlkd_whisper.dims import ModelFileError, WhisperDims

MAX_PICKLE_BYTES = 16 * 1024 * 1024
"""Far above any Whisper's (large-v3: under 300 KB); bounds what a hostile file can make us read."""


def read_dims(path: Path) -> WhisperDims:
    """The dimensions in the checkpoint at `path`.

    Raises ModelFileError when the file is incomplete or no Whisper checkpoint, OSError when it cannot be read.
    """
    checkpoint = _unpickle(path, _pickle_of(path))
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("dims"), dict):
        raise ModelFileError(f"{path}: not a Whisper checkpoint: it has no `dims`")
    if not checkpoint.get("model_state_dict"):
        raise ModelFileError(f"{path}: not a Whisper checkpoint: it has no `model_state_dict`")
    try:
        return WhisperDims.from_mapping(checkpoint["dims"])
    except ValueError as error:
        raise ModelFileError(f"{path}: not a Whisper checkpoint: {error}") from error


def _pickle_of(path: Path) -> bytes:
    try:
        # The directory of a zip is at its end: a half-copied file has none.
        with zipfile.ZipFile(path) as archive:
            record = next((info for info in archive.infolist() if info.filename.endswith("/data.pkl")), None)
            if record is None:
                raise ModelFileError(f"{path}: not a PyTorch checkpoint: it has no data.pkl")
            if record.file_size > MAX_PICKLE_BYTES:
                raise ModelFileError(f"{path}: not a Whisper checkpoint: its data.pkl is {record.file_size:,} bytes")
            return archive.read(record)
    except zipfile.BadZipFile as error:
        raise ModelFileError(
            f"{path}: not a complete PyTorch checkpoint ({path.stat().st_size:,} bytes); "
            f"the copy may have stopped early"
        ) from error


def _unpickle(path: Path, data: bytes) -> Any:
    try:
        return _Inert(io.BytesIO(data)).load()
    # A damaged pickle raises whatever its bytes happen to mean: IndexError, TypeError, KeyError, ….
    except Exception as error:
        raise ModelFileError(f"{path}: its data.pkl cannot be read: {error}") from error


class _Inert(pickle.Unpickler):
    """Builds plain containers; everything of torch's becomes None, everything else is refused."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module.split(".")[0] == "torch":
            return _nothing
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which a checkpoint has no use for")

    def persistent_load(self, pid: Any) -> None:
        return None


def _nothing(*_: object) -> None:
    """Stands for every function and class of torch."""
