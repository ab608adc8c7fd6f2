"""The CUDA library that CTranslate2 opens by name, found where pip puts it. For backends; loads nothing else."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

CUBLAS = ("libcublasLt.so.12", "libcublas.so.12")
"""What CTranslate2's wheels want at the first multiplication on a GPU; the second needs the first."""


def cublas_fault() -> str | None:
    """Load cuBLAS for CTranslate2. Returns which library cannot be loaded and why; None: it is there.

    pip puts it into `nvidia/cublas/lib`, where no linker looks; once loaded, CTranslate2 finds it by its name.
    """
    spec = find_spec("nvidia")
    places = [Path(place) / "cublas" / "lib" for place in (spec.submodule_search_locations if spec else None) or ()]
    for name in CUBLAS:
        path = next((place / name for place in places if (place / name).exists()), Path(name))
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            return f"{name} cannot be loaded ({error}), and CTranslate2 needs it on a GPU"
    return None
