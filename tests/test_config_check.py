"""`wlkd check` and `wlkd plugins`, as the operator calls them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributions import write_distribution
from wlkd import __version__
from wlkd.cli.plugins import table
from wlkd.config.document import read_document


def wlkd(*arguments: str, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `wlkd` in `folder`; `path`: a folder with more distributions."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-m", "wlkd", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_problem_is_printed_and_the_status_is_78(tmp_path: Path) -> None:
    (tmp_path / "wlkd.yaml").write_text(
        "server:\n  port: 70000\nbackend:\n  name: scripted\n  options:\n    word_second: 1\n"
    )
    done = wlkd("check", "--config", "wlkd.yaml", "--set", "vad.name=none", folder=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert [line for line in done.stderr.splitlines() if not line.startswith("WARNING")] == [
        "wlkd.yaml:2: server.port: must be at most 65535, not 70000",
        "wlkd.yaml:6: backend.options.word_second: unknown option; known: continues, deaf, detects, "
        "detects_after_seconds, fail_on, languages, load_seconds, memory_bytes, "
        "script, step_seconds, tasks, word_seconds; did you mean word_seconds?",
    ]


def test_a_good_configuration_says_what_would_run(tmp_path: Path) -> None:
    (tmp_path / "wlkd.yaml").write_text("backend: {name: scripted}\nserver: {port: 7200}\n")
    before = os.times().children_user
    done = wlkd("check", "--config", "wlkd.yaml", "--no-host", folder=tmp_path)
    assert os.times().children_user - before < 10, "no model may be loaded (about a second)"
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wlkd.yaml: ok: decoders pcm, av, vad silero, backend scripted, ")
    assert "transports websocket" in done.stdout
    assert "port 7200" in done.stdout


def test_a_missing_file_names_the_command_that_makes_one_and_that_command_works(tmp_path: Path) -> None:
    done = wlkd("check", "--config", "wlkd.yaml", folder=tmp_path)
    assert done.returncode == 78
    assert "`wlkd check --print-default > wlkd.yaml` makes one" in done.stderr
    printed = wlkd("check", "--print-default", folder=tmp_path)
    assert printed.returncode == 0
    assert set(read_document(printed.stdout).values) >= {"server", "backend", "transports"}
    (tmp_path / "wlkd.yaml").write_text(printed.stdout)
    assert (
        wlkd(
            "check", "--config", "wlkd.yaml", "--set", "backend.name=scripted", "--no-host", folder=tmp_path
        ).returncode
        == 0
    )


def test_a_malformed_setting_is_a_usage_error(tmp_path: Path) -> None:
    done = wlkd("check", "--set", "server.port", folder=tmp_path)
    assert done.returncode == 2
    assert "is not PATH=VALUE" in done.stderr


def test_plugins_are_listed_with_what_was_left_out(tmp_path: Path) -> None:
    write_distribution(tmp_path, "acme-broken", "broken", "acme_broken")
    (tmp_path / "acme_broken.py").write_text("import no_such_library_anywhere\n")
    write_distribution(tmp_path, "acme-watcher", "watcher", "acme_watcher")
    (tmp_path / "acme_watcher.py").write_text(
        "from wlkd import hookimpl\n@hookimpl\ndef wlkd_session_closed(info): pass\n"
    )
    done = wlkd("plugins", folder=tmp_path, path=tmp_path)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["KIND", "NAME", "DISTRIBUTION", "STATUS"]
    assert ["backend", "scripted", "wlkd-scripted", __version__, "ok:"] in [row[:5] for row in rows]
    assert ["command", "models", "wlkd-models", __version__, "ok"] in rows
    assert ["observer", "watcher", "acme-watcher", "1.2", "ok"] in rows
    [broken] = [line for line in done.stdout.splitlines() if " broken " in line]
    assert broken.endswith(
        "left out: failed to import: ModuleNotFoundError: No module named 'no_such_library_anywhere'"
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_columns_are_aligned() -> None:
    assert table([("A", "B"), ("long", "x"), ("y", "z")]) == "A     B\nlong  x\ny     z"


BASE = "backend: {name: simulstreaming, options: {model: bsae}}\nmodels_dir: .\n"


def test_what_a_look_at_the_machine_tells_is_told_with_its_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "wlkd.yaml").write_text(f"{BASE}server:\n  host: 127.0.0.1\n  port: {port}\n")
        done = wlkd("check", "--config", "wlkd.yaml", folder=tmp_path)
    assert done.returncode == 78
    assert f"wlkd.yaml:5: server.port: another program listens on port {port}" in done.stderr
    assert "wlkd.yaml:1: backend.options.model: faster-whisper-bsae: is missing" in done.stderr
    assert wlkd("check", "--config", "wlkd.yaml", "--no-host", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("models_dir: /data/x   # our disk\n", "models_dir", "/data/x"),
        ("models_dir:\n  /data/y\n", "models_dir", "/data/y"),
        ("", "models_dir", "/data/whisper_models"),
        ("backend: {name: scripted, options: {word_seconds: 2}}\n", "backend.options.word_seconds", "2.0"),
    ],
)
def test_scripts_get_single_values_as_the_daemon_reads_them(tmp_path: Path, text: str, path: str, value: str) -> None:
    (tmp_path / "wlkd.yaml").write_text(text)
    done = wlkd("check", "--config", "wlkd.yaml", "--get", path, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{value}\n"), done.stderr


def test_an_unknown_option_to_get_is_told(tmp_path: Path) -> None:
    (tmp_path / "wlkd.yaml").write_text("")
    done = wlkd("check", "--config", "wlkd.yaml", "--get", "server.prot", folder=tmp_path)
    assert done.returncode == 78 and "server.prot: unknown option" in done.stderr
