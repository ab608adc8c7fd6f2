"""docs/clients.md: every example works as it is printed."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import wave
from pathlib import Path

import pytest

from wlkd.testing import free_port, running_daemon

PAGE = (Path(__file__).parent.parent / "docs" / "clients.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(python|bash)\n(.*?)```", PAGE, re.DOTALL)
NEEDED = {"from openai": "openai", "from deepgram": "deepgram", "from wyoming": "wyoming"}


def test_every_client_has_an_example():
    for name in ("nc -N", "curl", "from openai", "realtime.connect", "from deepgram", "from wyoming"):
        assert any(name in source for _, source in EXAMPLES), name


@pytest.mark.parametrize(("language", "source"), EXAMPLES, ids=[source.split("\n")[0] for _, source in EXAMPLES])
async def test_an_example_prints_the_words(language: str, source: str, tmp_path: Path):
    for start, package in NEEDED.items():
        if start in source:
            pytest.importorskip(package)
    for command in ("curl", "ffmpeg", "nc"):
        if language == "bash" and command in source and shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(3 * 32_000))
    tcp, wyoming = free_port(), free_port()
    transports = {
        "openai": {},
        "deepgram": {},
        "tcp": {"host": "127.0.0.1", "port": tcp},
        "wyoming": {"host": "127.0.0.1", "port": wyoming},
    }
    async with running_daemon({"vad": {"name": "none"}, "transports": transports}) as daemon:
        for printed, real in ((7100, daemon.port), (43007, tcp), (10300, wyoming)):
            source = source.replace(str(printed), str(real))
        command = [sys.executable, "-c", source] if language == "python" else ["bash", "-c", source]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    said = re.findall(r"\b(?:one|two|three|four|five|six)\b", output.decode())
    assert list(dict.fromkeys(said)) == ["one", "two", "three", "four", "five", "six"]
