"""Nothing leaves the machine: not one name is looked up, not one packet sent, from the start to the last word."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SEALED_NETWORK = Path(__file__).with_name("sealed_network.py")
SESSION = """
"$1" -m wlkd run --config "$2" 2>"$4/journal" &
daemon=$!
trap 'kill $daemon 2>/dev/null' EXIT
until grep -q "serving on" "$4/journal"; do
    kill -0 $daemon || exit 1
    sleep 0.2
done
"$1" -m wlkd transcribe --server ws://127.0.0.1:7100/asr "$3" >"$4/text" || exit 2
# Libraries that report home do so when some time has passed.
sleep 15
kill -TERM $daemon
wait $daemon
"""
ASK_AROUND = """
import socket
for family, address in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8:1::7")):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(0.2)
        try:
            sock.connect((address, 443))
        except TimeoutError:
            pass
try:
    socket.getaddrinfo("models.example.org", 443)
except socket.gaierror:
    pass
"""


def sealed(tmp_path: Path, *command: object) -> tuple[subprocess.CompletedProcess[str], dict[str, list[str]]]:
    """Run `command` where there is no outside; returns its outcome and what it tried. Skips where that cannot be."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network namespace takes root")
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun to catch packets with")
    record = tmp_path / "record.json"
    outcome = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, SEALED_NETWORK, record, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert record.exists(), outcome.stderr
    return outcome, json.loads(record.read_text())


def test_the_recorder_sees_what_is_tried(tmp_path: Path) -> None:
    outcome, tried = sealed(tmp_path, sys.executable, "-c", ASK_AROUND)
    assert outcome.returncode == 0, outcome.stderr
    assert "models.example.org" in tried["names"]
    assert {"protocol 6 to 198.51.100.7", "protocol 6 to 2001:db8:1::7"} <= set(tried["packets"])


@pytest.mark.model
def test_start_transcribe_stop(tmp_path: Path, models_dir: Path, speech_dir: Path) -> None:
    config = tmp_path / "wlkd.yaml"
    config.write_text(f"models_dir: {models_dir}\nbackend: {{name: simulstreaming, options: {{model: base}}}}\n")
    speech = speech_dir / "en_librispeech_test_clean" / "1089-134686-0015.flac"
    outcome, tried = sealed(tmp_path, "bash", "-c", SESSION, "session", sys.executable, config, speech, tmp_path)
    assert outcome.returncode == 0, outcome.stderr + (tmp_path / "journal").read_text()
    assert "schoolroom" in (tmp_path / "text").read_text().lower().replace(" ", "")
    assert tried == {"names": [], "packets": []}
