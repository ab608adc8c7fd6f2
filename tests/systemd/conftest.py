"""Fixtures of the tests under a booted systemd."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    """A module beside this file; the tests run without packages, so nothing else finds it."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


container_module = _load("container")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment for /opt/wlkd; skips where no container can be booted."""
    reason = container_module.unavailable()
    if reason is not None:
        pytest.skip(reason)
    prefix: Path = tmp_path_factory.mktemp("environment") / "wlkd"
    container_module.make_environment(prefix)
    return prefix


@pytest.fixture
def container(environment: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A machine to boot, with the scripted backend only."""
    return container_module.Container(environment, tmp_path)


@pytest.fixture
def model_container(environment: Path, tmp_path: Path, models_dir: Path, speech_dir: Path):  # type: ignore[no-untyped-def]
    """A machine to boot, with the real models and speech."""
    binds = {"/data/whisper_models": models_dir.resolve(), "/speech": speech_dir.resolve()}
    return container_module.Container(environment, tmp_path, binds)


@pytest.fixture
def bare_machine(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A function that makes a machine to boot, without wlkd, which sees the given files and folders."""
    reason = container_module.unavailable()
    if reason is not None:
        pytest.skip(reason)
    (tmp_path / "nothing").mkdir()
    return lambda binds: container_module.Container(tmp_path / "nothing", tmp_path, binds)
