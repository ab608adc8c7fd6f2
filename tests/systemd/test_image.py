"""The container image as an engine would run it: its own account, a read-only root, no capability, no network.

The image is what `container/build.sh` wrote; WLKD_IMAGE names it. It takes a bundle and minutes to make one.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.systemd, pytest.mark.model]

SCRIPT = """
id -u
touch /var/tmp/x 2>/dev/null && echo "the root can be written"
{healthcheck} >/dev/null 2>&1 && echo "healthy before the start"
{command} 2>/mnt/journal &
daemon=$!
until {healthcheck} 2>/dev/null; do kill -0 $daemon || exit 1; sleep 0.5; done
wlkd transcribe --server ws://127.0.0.1:7100/asr /mnt/speech.flac || exit 2
kill -{signal} $daemon
wait $daemon
"""


@pytest.fixture
def image(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """The configuration of the image, and its unpacked root."""
    named = os.environ.get("WLKD_IMAGE")
    if not named:
        pytest.skip("WLKD_IMAGE does not name an image of container/build.sh")
    if os.geteuid() != 0:
        pytest.skip("running an image takes root")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("systemd-nspawn is not installed (Debian: systemd-container)")
    with tarfile.open(named) as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    manifest = json.loads((tmp_path / "archive" / "manifest.json").read_text())[0]
    root = tmp_path / "root"
    root.mkdir()
    for layer in manifest["Layers"]:
        subprocess.run(["tar", "-xf", tmp_path / "archive" / layer, "-C", root], check=True)
    root.chmod(0o755)
    return json.loads((tmp_path / "archive" / manifest["Config"]).read_text())["config"], root


def test_the_image_transcribes(
    image: tuple[dict[str, Any], Path], tmp_path: Path, models_dir: Path, speech_dir: Path
) -> None:
    config, root = image
    assert config["User"] == "7100:7100"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    shutil.copy(speech_dir / "en_librispeech_test_clean" / "1089-134686-0015.flac", shared / "speech.flac")
    script = SCRIPT.format(
        healthcheck=shlex.join(config["Healthcheck"]["Test"][1:]),
        command=shlex.join([*config["Entrypoint"], *config["Cmd"]]),
        signal=config["StopSignal"].removeprefix("SIG"),
    )
    (shared / "script").write_text(script)
    command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--read-only", "--register=no", "--keep-unit"]
    command += ["--private-network", "--user=wlkd", "--drop-capability=all", "--no-new-privileges=yes", "--as-pid2"]
    command += [f"--bind={shared}:/mnt", f"--bind-ro={models_dir.resolve()}:/data/whisper_models"]
    command += [f"--setenv={variable}" for variable in config["Env"]]
    outcome = subprocess.run(
        [*command, "/bin/sh", "/mnt/script"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    journal = (shared / "journal").read_text() if (shared / "journal").exists() else ""
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr + journal
    uid, health, *text = outcome.stdout.splitlines()
    assert uid == "7100"
    assert health == "ok"
    assert "schoolroom" in "".join(text).lower().replace(" ", "")
    assert "stopped" in journal
