"""scripts/run_wlk.sh refuses what cannot work, in words; nothing here starts a service."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "run_wlk.sh"


def run_wlk(*arguments: str, script: Path) -> tuple[int, str]:
    # An ordinary user's, so that it leaves a service of this machine alone.
    path = f"{script.parent / 'fakes'}:{os.environ['PATH']}"
    result = subprocess.run(
        [script, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The script beside a program, as it is installed, reached through a link in another folder."""
    program = tmp_path / "opt" / "bin" / "wlkd"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho ran: $*\n")
    program.chmod(0o755)
    shutil.copy(SCRIPT, program.parent)
    link = tmp_path / "apps" / "run_wlk.sh"
    link.parent.mkdir()
    link.symlink_to(program.parent / SCRIPT.name)
    (link.parent / "fakes").mkdir()
    for name, action in {"id": "echo 1000", "systemctl": "exit 3"}.items():
        fake = link.parent / "fakes" / name
        fake.write_text(f"#!/bin/sh\n{action}\n")
        fake.chmod(0o755)
    return link


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Usage: run_wlk.sh MODEL"),
        (("huge",), "unknown argument huge; MODEL is one of base, small, medium, large-v3"),
        (("base", "small"), "one model, not two"),
        (("base", "--gpu", "first"), "--gpu takes a number, all or none"),
        (("base", "--gpu"), "--gpu needs a value"),
        (("base", "--gpus", '"device=2"'), "run_wlk.sh: --gpus is an option of docker; write --gpu 2\n"),
        (("base", "--gpus=all"), "write --gpu all\n"),
        (("base", "--gpus"), "write --gpu N\n"),
        (("base", "--port", "7100/tcp"), "--port takes a number"),
        (("base", "--lan", "EN"), "--lan takes auto or a code like en, not EN; write --lan en\n"),
        (
            ("base", "--lan", "zh-TW"),
            "write --lan zh, and for these characters `recognition: {chinese_script: traditional}` in /etc/wlkd.yaml\n",
        ),
        (("base", "--lan", "zh_HK"), "{chinese_script: traditional_hk}"),
        (("base", "--lan", "zh-CN"), "not zh-CN; write --lan zh\n"),
        (("base", "--lan", "Englisch"), "--lan takes auto or a code like en, not Englisch\n"),
        (("base", "--models", "/with a space"), "letters, digits"),
    ],
)
def test_a_wrong_call_is_explained(installed: Path, arguments: tuple[str, ...], words: str) -> None:
    status, said = run_wlk(*arguments, script=installed)
    assert status == 64 and words in said


def test_a_missing_half_is_named_with_both_folders_to_copy(installed: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "faster-whisper-medium"
    encoder.mkdir()
    (encoder / "model.bin").touch()
    status, said = run_wlk("medium", "--models", str(tmp_path), script=installed)
    assert status == 66
    assert f"Missing: {tmp_path}/pytorch-whisper-medium\n" in said
    assert "faster-whisper-medium and pytorch-whisper-medium" in said
    assert f"download_decoder_pt.sh medium --models {tmp_path}" in said


def test_the_choice_reaches_the_program(installed: Path, tmp_path: Path) -> None:
    for name in ("faster-whisper-small/model.bin", "pytorch-whisper-small/small.pt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    status, said = run_wlk(
        "small", "-f", "--gpu", "2", "--lan", "zh", "--port", "7200", "--models", str(tmp_path), script=installed
    )
    assert status == 0
    assert said.split("ran: ")[1].split() == [
        *("run", "--config", "/etc/wlkd.yaml"),
        *("--set", "backend.options.model=small", "--set", f"models_dir={tmp_path}"),
        *("--set", "backend.options.device=cuda", "--set", "backend.options.device_index=2"),
        *("--set", "recognition.language=zh", "--set", "server.port=7200", "--set", "log_level=debug"),
    ]


@pytest.mark.skipif(Path("/etc/wlkd.yaml").exists(), reason="wlkd is installed here")
def test_a_checkout_runs_with_its_own_configuration(installed: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "opt" / "etc" / "wlkd.yaml"
    configuration.parent.mkdir()
    configuration.touch()
    for name in ("faster-whisper-small/model.bin", "pytorch-whisper-small/small.pt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    status, said = run_wlk("small", "-f", "--models", str(tmp_path), script=installed)
    assert status == 0
    assert Path(said.split("--config ")[1].split()[0]).resolve() == configuration
