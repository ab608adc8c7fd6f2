"""container/build.sh, with stand-ins for the programs that make a root file system and an image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAND_INS = {
    "mmdebstrap": 'for root; do :; done; mkdir -p "$root/etc/apt" "$root/opt/wlkd/bin"',
    "chroot": 'umask >"$FOUND"',
    "buildah": ":",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="container/build.sh takes root")
def test_a_strict_umask_takes_nothing_from_the_account_of_the_image(tmp_path: Path) -> None:
    for name, script in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    folder, bundle = tmp_path / "folder", tmp_path / "bundle.tar"
    for path in ("etc/wlkd.yaml", "wheels/wlkd-0.2.0-py3-none-any.whl"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).touch()
    packing: list[str | Path] = [sys.executable, ROOT / "scripts/bundle.py", "pack", folder, bundle]
    packing += ["--accelerator", "cpu", "--python", "3.11", "--arch", "x86_64"]
    subprocess.run(packing, check=True)
    found = tmp_path / "found"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "FOUND": str(found)}
    building = [ROOT / "container/build.sh", "--bundle", bundle, "--out", tmp_path / "image.tar"]
    subprocess.run(building, check=True, env=environment, umask=0o077)
    assert found.read_text() == "0022\n"
