"""What tests of the core share."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.distributions import write_distribution
from tests.resuming_client import SECRET


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`install(distribution, point, source)` puts a distribution with one plugin module on the path.

    Returns the module's name.
    """
    numbers = itertools.count()

    def install_distribution(distribution: str, point: str, source: str) -> str:
        folder = tmp_path / f"{next(numbers)}"
        module = f"outside_{abs(hash((tmp_path, folder)))}"
        write_distribution(folder, distribution, point, module)
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(folder)
        return module

    return install_distribution


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`plug_in(name)` installs `tests.name` as a plugin from outside would be."""

    def plug_in_module(name: str) -> None:
        write_distribution(tmp_path, name.replace("_", "-"), name, f"tests.{name}")
        monkeypatch.syspath_prepend(tmp_path)

    return plug_in_module


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file with the key that the nodes of a fleet share."""
    path = tmp_path / "key"
    path.write_text(SECRET)
    return path
