"""What a folder of wheels lacks, for a Python and a machine that need not be those of the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "missing_wheels.py"


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    lines = [f"Requires-Dist: {requirement}" for requirement in requires]
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        metadata = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, "", "About it."])
        archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)


def missing(folder: Path, *wanted: str, python: str = "3.13", arch: str = "aarch64") -> list[str]:
    pytest.importorskip("packaging")
    command = [sys.executable, str(SCRIPT), str(folder), python, arch, *wanted]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def test_a_closed_folder_lacks_nothing(tmp_path: Path) -> None:
    wheel(tmp_path, "a", "1.0", "b-c>=2", 'windows-only; sys_platform == "win32"', 'extra-thing; extra == "more"')
    wheel(tmp_path, "b_c", "2.1", "a")
    assert missing(tmp_path, "a") == []


def test_markers_count_for_the_target(tmp_path: Path) -> None:
    wheel(tmp_path, "a", "1.0", 'old; python_version < "3.13"', 'arm; platform_machine == "aarch64"')
    assert missing(tmp_path, "a", python="3.13", arch="aarch64") == ["arm"]
    assert missing(tmp_path, "a", python="3.11", arch="x86_64") == ["old"]


def test_a_wrong_version_is_missing(tmp_path: Path) -> None:
    wheel(tmp_path, "a", "1.0", "b<2,>=1")
    wheel(tmp_path, "b", "2.0")
    assert missing(tmp_path, "a") == ["b<2,>=1"]


def test_what_an_extra_needs_is_needed_when_it_is_wanted(tmp_path: Path) -> None:
    wheel(tmp_path, "a", "1.0", 'cublas<13; extra == "cuda"')
    assert missing(tmp_path, "a") == []
    assert missing(tmp_path, "a[cuda]") == ["cublas<13"]


def test_a_build_of_its_own_satisfies_only_who_asks_for_it(tmp_path: Path) -> None:
    wheel(tmp_path, "torch", "2.13.0+cpu")
    assert missing(tmp_path, "torch==2.13.0+cpu") == []
    assert missing(tmp_path, "torch==2.13.0+cu130") == ["torch==2.13.0+cu130"]
