"""The command line: quick where it only has to talk, and open to subcommands from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from wlkd.__main__ import main
from wlkd.cli.brought import brought_commands

SLOW = {"aiohttp", "numpy", "prometheus_client", "pydantic", "torch"}
"""Libraries that take longer to import than everything that the help needs."""


def test_help_imports_nothing_slow() -> None:
    code = f"""
import sys
from wlkd.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print("slow:", sorted({SLOW!r} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "slow: []\n"
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")} >= {
        "run",
        "models",
        "bench",
    }


def test_a_daemon_imports_no_library_of_what_it_does_not_use() -> None:
    code = """
import asyncio
import sys
from wlkd.testing import running_daemon

async def main():
    async with running_daemon({"vad": {"name": "none"}}):
        print(sorted({"cn2an", "num2words", "onnx", "onnxruntime", "torch", "ctranslate2"} & set(sys.modules)))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("command", "option"), [("run", "--config FILE"), ("check", "--no-host"), ("models", "ACTION")]
)
def test_an_unknown_option_is_answered_with_those_of_the_command(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "list", "--fromat"] if command == "models" else [command, "--fromat"]
    with pytest.raises(SystemExit) as left:
        main(words)
    said = capsys.readouterr().err
    assert left.value.code == 2 and option in said
    assert said.splitlines()[-1] == f"wlkd {command}: error: unrecognized arguments: --fromat"


@pytest.fixture
def talk(install: Callable[..., str]) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command that prints so many lines."""

    def start(lines: int, stdout: int | IO[bytes], unbuffered: str = "") -> subprocess.Popen[bytes]:
        install(
            "acme-talk",
            "talk",
            f"""
            from wlkd import hookimpl

            @hookimpl
            def wlkd_register_commands(register): register("talk", "say much", __name__)

            def add_arguments(parser): pass

            def main(args):
                for _ in range({lines}):
                    print("and so on")
                return 0
            """,
        )
        return subprocess.Popen(
            [sys.executable, "-m", "wlkd", "talk"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": unbuffered},
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lines", [1, 10_000], ids=["kept until the end", "more than a buffer"])
def test_a_reader_that_has_enough_is_no_error(
    lines: int, unbuffered: str, talk: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with talk(lines, subprocess.PIPE, unbuffered) as talking:
        assert talking.stdout is not None and talking.stderr is not None
        talking.stdout.close()
        assert talking.stderr.read() == b""
    assert talking.returncode == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lines", [1, 10_000], ids=["kept until the end", "more than a buffer"])
def test_a_full_disk_is_told_in_a_line(
    lines: int, unbuffered: str, talk: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with Path("/dev/full").open("wb") as full, talk(lines, full, unbuffered) as talking:
        assert talking.stderr is not None
        assert talking.stderr.read() == b"wlkd: what was printed cannot be written: No space left on device\n"
    assert talking.returncode == 74


def test_a_plugin_brings_a_command(install: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    module = install(
        "acme-greet",
        "greet",
        '''
        """Say hello."""
        from wlkd import hookimpl

        @hookimpl
        def wlkd_register_commands(register): register("greet", "say hello", __name__)

        def add_arguments(parser): parser.add_argument("name")

        def main(args):
            print("hello", args.name)
            return 3
        ''',
    )
    assert brought_commands()["greet"].module == module
    assert main(["greet", "you"]) == 3
    assert capsys.readouterr().out == "hello you\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('register("run", "mine", __name__)', 'the command "run" of plugin odd is taken'),
        ("register(1)", "plugin odd failed to register its commands: TypeError"),
    ],
    ids=["taken", "raises"],
)
def test_a_wrong_command_is_left_out(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture, body: str, reason: str
) -> None:
    source = f"from wlkd import hookimpl\n@hookimpl\ndef wlkd_register_commands(register): {body}"
    install("acme-odd", "odd", source)
    commands = brought_commands(taken=["run"])
    assert "run" not in commands and "models" in commands
    assert reason in caplog.text
