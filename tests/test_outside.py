"""Typed for those outside: wheels in an environment of their own, and somebody's plugin checked against them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))

PLUGIN = """
from collections.abc import Sequence

from pydantic import Field
from wlkd import Backend, Commit, Config, Options, Problem, RecognitionParams, Recognizer, Registry, StepPlan, hookimpl


class EchoOptions(Options):
    words: int = Field(default=3, ge=1, description="How many to say.")


class Echo(Backend[EchoOptions]):
    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def open(self, params: RecognitionParams) -> Recognizer:
        raise NotImplementedError

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        return [Commit() for _ in range(self.config.words)]


@hookimpl
def wlkd_register_backends(register: Registry) -> None:
    register("echo", Echo)


@hookimpl
def wlkd_check_config(config: Config) -> list[Problem]:
    return [] if config.server.port else [Problem("server.port", "is not set")]
"""

TESTS = """
from right import Echo, EchoOptions
from wlkd import Http, Sessions, Transport, Translator, TranslatorOptions
from wlkd.testing import Told, check_backend, check_translator, check_transport, provisioned, speech_like


class Silent(Transport[EchoOptions]):
    async def start(self, sessions: Sessions, http: Http) -> None: ...


async def client(port: int, audio: bytes) -> Told:
    return Told("")


async def test_the_contracts(translator: Translator[TranslatorOptions]) -> None:
    async with provisioned(Echo(EchoOptions())) as backend:
        check_backend(backend, [speech_like(1)])
    await check_transport(lambda port: Silent(EchoOptions()), client)
    check_translator(translator, [])
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has wlkd and one of its plugins from wheels, and the rest from the environment here."""
    folder = tmp_path_factory.mktemp("outside")
    sources = []
    for source in (ROOT, ROOT / "plugins" / "wlkd-whisper"):
        # Built from a copy: setuptools leaves its work beside what it builds.
        copy, package = folder / "sources" / source.name, source.name.replace("-", "_")
        package = package if (source / package).is_dir() else "wlkd"
        shutil.copytree(source / package, copy / package)
        for name in ("pyproject.toml", "README.md"):
            if (source / name).is_file():
                shutil.copy(source / name, copy)
        sources.append(str(copy))
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), *sources], check=True)
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    for wheel in wheels.iterdir():
        shutil.unpack_archive(wheel, packages, "zip")
    # As a folder only: the editable installs in it stay out.
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "python"


def test_a_plugin_from_outside_is_checked_against_the_installed_types(outside: Path, tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(PLUGIN)
    (tmp_path / "tests.py").write_text(TESTS)
    (tmp_path / "misspelt.py").write_text(PLUGIN.replace("self.config.words", "self.config.wrods"))
    files = ["right.py", "tests.py", "misspelt.py"]
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(outside), *files]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    [found, summary] = output.splitlines()
    assert found.startswith("misspelt.py:") and '"EchoOptions" has no attribute "wrods"' in found
    assert summary == "Found 1 error in 1 file (checked 3 source files)"


@pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=lambda folder: folder.name)
def test_every_distribution_is_typed_and_of_one_version(folder: Path) -> None:
    """Plugins go with the core's minor version: the contract may change with the next."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = project["project"]["name"].replace("-", "_")
    assert project["project"]["version"] == core
    assert (folder / package / "py.typed").is_file()
    assert "Apache License" in (folder / "LICENSE").read_text(), "every wheel carries the licence's text"
    assert (folder / "NOTICE").is_file()
    assert "py.typed" in project["tool"]["setuptools"]["package-data"][package]
    major, minor, *_ = map(int, core.split("."))
    for requirement in project["project"]["dependencies"]:
        if requirement.startswith("wlkd"):
            assert requirement.endswith(f">={major}.{minor},<{major}.{minor + 1}"), requirement
