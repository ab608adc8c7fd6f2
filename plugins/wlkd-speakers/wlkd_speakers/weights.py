"""Reads the tensors of a PyTorch checkpoint, without PyTorch and without running anything that is in it.

A `.pt` is a zip: `<name>/data.pkl` is a pickle whose tensors refer to records `<name>/data/<key>` of raw numbers.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wlkd import ProvisionError

Weights = Mapping[str, NDArray[np.float32]]

DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
MAX_PICKLE_BYTES = 16 * 1024 * 1024
"""Far above CAM++'s 150 KB, the larger; bounds what a hostile file can make us read."""


def read_weights(path: Path, model: str) -> Weights:
    """The state dict at `path`: arrays by name. `model`: its name for `wlkd models get`. Raises `ProvisionError`."""
    remedy = f"wlkd models get {model} --models {path.parent.parent}"
    try:
        with zipfile.ZipFile(path) as archive:
            content = _Tensors(archive).load()
    except FileNotFoundError:
        raise ProvisionError(f"{path} is missing: {remedy}") from None
    # A damaged file raises whatever its bytes happen to mean: BadZipFile, IndexError, KeyError, ...
    except Exception as error:
        raise ProvisionError(
            f"{path} cannot be read ({type(error).__name__}: {error}); it may be half copied: {remedy}"
        ) from error
    # PyTorch Lightning keeps the state dict beside what else it knows of a training.
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, np.ndarray) for value in content.values()):
        raise ProvisionError(f"{path} is not a table of tensors: {remedy}")
    return content


class _Tensors(pickle.Unpickler):
    """Builds containers and arrays, and nothing of what it may ignore; whatever else a pickle asks for is refused."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        record = next(info for info in archive.infolist() if info.filename.endswith("/data.pkl"))
        if record.file_size > MAX_PICKLE_BYTES:
            raise pickle.UnpicklingError(f"its data.pkl has {record.file_size:,} bytes")
        super().__init__(io.BytesIO(archive.read(record)))
        self._archive = archive
        self._folder = record.filename.removesuffix("data.pkl") + "data/"
        self._storages: dict[str, NDArray[Any]] = {}
        """Each once: the tensors of an LSTM share one."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module.startswith("pyannote.") or (module, name) == ("torch.torch_version", "TorchVersion"):
            return _Ignored
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which a state dict has no use for")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, dtype, key, _, _ = pid
        if key not in self._storages:
            self._storages[key] = np.frombuffer(self._archive.read(self._folder + str(key)), dtype)
        return self._storages[key]


class _Ignored:
    """Stands for what a checkpoint tells of its training, whatever that is."""

    def __new__(cls, *_: object) -> _Ignored:
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Keeps nothing."""


def _tensor(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> NDArray[Any]:
    """As `torch._utils._rebuild_tensor_v2` would; only row after row."""
    array = storage[offset : offset + math.prod(shape)].reshape(shape)
    if shape and tuple(step // array.itemsize for step in array.strides) != tuple(strides):
        raise pickle.UnpicklingError("its tensors are not stored row after row")
    return array
