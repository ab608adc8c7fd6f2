"""scripts/setup does its work once, and again when the Python that it was done with is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
PIP = "import pathlib, sys; pathlib.Path('installed').open('a').write(f'{sys.argv[-1]}\\n')\n"
PYTHON = f"""#!/bin/sh
[ "$2" != venv ] || set -- "$@" --without-pip
exec {sys.executable} "$@"
"""


@pytest.fixture
def setup(tmp_path: Path) -> Callable[[], list[str]]:
    """Runs the script in a checkout with one plugin, and a pip that only notes what it shall install: returns that."""
    (tmp_path / "scripts").mkdir()
    for name in ("setup", "requirements.py"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    for folder in (tmp_path, tmp_path / "plugins/wlkd-one"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text("project.dependencies = []\nbuild-system.requires = []\n")
    pip = tmp_path / "fakes/pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text(PIP)
    # The first name that the script tries.
    (tmp_path / "fakes/python3.13").write_text(PYTHON)
    (tmp_path / "fakes/python3.13").chmod(0o755)
    path = f"{tmp_path / 'fakes'}:{os.environ['PATH']}"

    def run() -> list[str]:
        (tmp_path / "installed").write_text("")
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path / "fakes"), "WLKD_TORCH": "torch==1"}
        subprocess.run([tmp_path / "scripts/setup"], check=True, env=environment, capture_output=True)
        subprocess.run([tmp_path / ".venv/bin/python", "-c", ""], check=True)
        return (tmp_path / "installed").read_text().split()

    return run


def test_the_second_time_nothing_is_done(setup: Callable[[], list[str]]) -> None:
    assert setup() == ["torch==1", ".venv/wlkd-setup.requirements", "./plugins/wlkd-one/"]
    assert setup() == []


def test_an_environment_whose_python_is_gone_is_made_anew(setup: Callable[[], list[str]], tmp_path: Path) -> None:
    first = setup()
    for link in (tmp_path / ".venv/bin").glob("python*"):
        link.unlink()
        link.symlink_to("/usr/bin/python3.0")
    assert setup() == first
    assert setup() == []


def test_an_environment_whose_python_is_another_now_is_made_anew(
    setup: Callable[[], list[str]], tmp_path: Path
) -> None:
    first = setup()
    [packages] = (tmp_path / ".venv/lib").iterdir()
    packages.rename(packages.with_name("python3.0"))
    assert setup() == first
    assert not packages.with_name("python3.0").exists()


def test_what_a_gpu_needs_is_asked_for_only_where_there_is_one() -> None:
    def required(*arguments: str) -> str:
        command = [sys.executable, SCRIPTS / "requirements.py", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "nvidia-cublas-cu12" in required("--dev", "--cuda")
    assert "nvidia-cublas-cu12" not in required("--dev")


def test_a_configuration_of_ones_own_says_the_model(tmp_path: Path) -> None:
    for name, text in (("scripts/setup", "#!/bin/sh\n"), (".venv/bin/wlkd", '#!/bin/sh\necho "$@"\n')):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(SCRIPTS / "run", tmp_path / "scripts")
    (tmp_path / "mine.yaml").touch()

    def called(*arguments: str) -> list[str]:
        command = [tmp_path / "scripts/run", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WLKD_")}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
        return ran.stdout.splitlines()

    models = f"--models {tmp_path}/models"
    fetched, run = called()
    assert fetched == f"models get base {models}"
    assert "--set backend.options.model=base" in run
    [run] = called("--config", "mine.yaml")
    assert "backend.options.model" not in run
    fetched, run = called("--config", "mine.yaml", "--model", "small")
    assert fetched == f"models get small {models}"
    assert "--set backend.options.model=small" in run
