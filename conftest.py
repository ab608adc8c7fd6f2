"""What all tests of the repository share."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent

pytest_plugins = ["wlkd.testing", "tests.fake_asr"]

# Several processes at a time on few cores: OpenMP's threads, which spin while they wait, take most of the time from
# each other. Read when PyTorch and CTranslate2 are loaded, here and in the daemons that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Where an environment forbids it, each of the many processes that tests start would compile all of wlkd anew, and every
# worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A deadline in milliseconds measures the machine, not the code.
settings.register_profile("wlkd", deadline=None)
settings.load_profile("wlkd")


@pytest.fixture
def models_dir() -> Path:
    """The folder of the real models; skips where base is not there."""
    path = Path(os.environ.get("WLKD_MODELS_DIR", REPOSITORY / "models"))
    if not (path / "faster-whisper-base" / "model.bin").is_file():
        pytest.skip(f"no model in {path}: run `wlkd models get base --models {path}`")
    return path


@pytest.fixture
def whisper(models_dir: Path) -> dict[str, Any]:
    """Of a daemon's configuration: the real model, as a busy machine uses it, which encodes no more than it must."""
    backend = {"name": "simulstreaming", "options": {"model": "base", "device": "cpu", "min_encoded_seconds": 0}}
    return {"models_dir": str(models_dir), "backend": backend}


@pytest.fixture
def speech_dir() -> Path:
    """The folder of real speech with references; skips where it is not there."""
    path = Path(os.environ.get("WLKD_SPEECH_DIR", REPOSITORY.parent / "shared" / "speech"))
    if not (path / "manifest.jsonl").is_file():
        pytest.skip(f"no speech in {path}: set WLKD_SPEECH_DIR to a folder with manifest.jsonl")
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """As the service's user sees it, who may not read `path`; the saved user id brings us back."""
    path.chmod(0o700 if path.is_dir() else 0o600)
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def locked() -> Callable[[Path], AbstractContextManager[None]]:
    """To see something as another user does, who may not read it."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user takes root")
    return _locked


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """One that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread: a network that is small enough for tests would only wait for more of them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
