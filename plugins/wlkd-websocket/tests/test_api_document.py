"""docs/API.md is true: its examples run, its tables are the code's, the demo is its JavaScript."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from wlkd_websocket.messages import DiffMessages, FullMessages
from wlkd_websocket.query import OWN, RAW_ENCODINGS
from wlkd_websocket.transport import WebSocketOptions

from tests.wav import wav
from wlkd import Code, Line, Note, Translation, Update, Word
from wlkd.testing import running_daemon, speech_like
from wlkd.transports.websocket import CLOSE_CODES

DOCS = Path(__file__).resolve().parents[3] / "docs"


def api() -> str:
    return (DOCS / "API.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", api(), re.M | re.S)


def section(title: str) -> str:
    return re.split(r"^#{2,3} ", api().split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def first_column(text: str) -> set[str]:
    cells = re.findall(r"^\| (`.*?`) \|", text, re.M)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


async def test_the_python_example_transcribes_a_file(tmp_path):
    script, speech = tmp_path / "transcribe.py", tmp_path / "speech.wav"
    script.write_text(blocks("python")[0], encoding="utf-8")
    speech.write_bytes(wav((speech_like(2) * 32767).astype("<i2").tobytes()))
    async with running_daemon({"vad": {"name": "none"}}) as daemon:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), f"{daemon.ws}/asr", str(speech), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out.decode()) == (0, " one two three four\n")


def test_the_diff_example_follows_the_transcript():
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    full, diff, held = FullMessages(), DiffMessages(), []
    words = tuple(Word(f" {n}", n, n + 1) for n in range(6))
    states = [(), (Line(0, 1, words[:1]),), (Line(0, 2, words[:2]),), (Line(0, 2, words[:2]), Line(2, 6, words[2:]))]
    for lines in states:
        update = Update(lines=lines)
        held = names["apply_update"](held, json.loads(diff.write(update)))
        assert held == json.loads(full.write(update))["lines"]
    with pytest.raises(ValueError, match="reconnect"):
        names["apply_update"](held, {"type": "diff", "n_lines": 99})


def test_the_demo_is_the_javascript_of_the_document():
    demo = (DOCS / "websocket-demo.html").read_text(encoding="utf-8")
    microphone = blocks("js")[:2]
    assert "getUserMedia" in microphone[0]
    for block in microphone:
        assert textwrap.indent(block, "    ") in demo


def microphone(answers: list[list[dict[str, Any]]]) -> list[str]:
    """What the example opens and sends, when each of its connections in turn gets one list of the `answers`."""
    playwright = pytest.importorskip("playwright")
    around = """
        class Recorder {
          static isTypeSupported = () => true;
          start() { this.ondataavailable({ data: new Blob([new Uint8Array(100_000)]) }); }
        }
        class Socket {
          constructor(url) {
            const messages = answers.shift();
            if (!messages) process.exit();
            console.log(url.search);
            setTimeout(() => { for (const one of messages) this.onmessage?.({ data: JSON.stringify(one) }); });
          }
          send({ size }) { console.log(size); }
          close() {}
        }
        const mediaDevices = { getUserMedia: async () => ({ getTracks: () => [] }) };
        Object.defineProperty(globalThis, "navigator", { value: { mediaDevices } });
        Object.assign(globalThis, { MediaRecorder: Recorder, WebSocket: Socket });
        const { finished } = await transcribe("ws://localhost/asr", () => {});
        await finished;
    """
    node = Path(playwright.__file__).parent / "driver" / "node"
    code = f"const answers = {json.dumps(answers)};" + blocks("js")[0] + around
    command = [str(node), "--input-type=module", "--eval", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()


CONFIG = {"type": "config", "resume": {"header_bytes": 0, "from_bytes": 0}}
UPDATE = {
    **{"type": "transcript_update", "lines": [], "first_line": 0, "continuation": "sealed"},
    **{"settled_seconds": 0, "settled_bytes": 0, "header_bytes": 0},
}
MOVING = {"type": "moving", "message": "elsewhere"}
FULL = {"type": "error", "code": "server_full", "message": "full"}
DONE = {"type": "ready_to_stop"}


def test_the_microphone_example_sends_in_pieces_what_it_kept():
    assert microphone([[CONFIG, DONE]]) == ["?resume=true", "65536", "34464"]


def test_the_microphone_example_waits_for_a_place_where_there_is_none():
    told = microphone([[CONFIG, UPDATE, MOVING], [FULL], [CONFIG, DONE]])
    assert [one for one in told if "resume" in one] == ["?resume=true", "?resume=continue", "?resume=continue"]


def test_every_error_is_documented_with_its_close_code():
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d{4}) \|", api(), re.M))
    assert {code: int(close) for code, close in documented.items()} == CLOSE_CODES
    assert set(documented) == set(Code)


def test_every_query_name_and_format_is_documented():
    asking = section("Asking")
    prompts = {"hotwords", "initial_prompt", "static_prompt"}
    text = {"chinese_script", "filters", "numbers", "replace", "profanity"}
    others = {"diarize", "max_speakers", "target_language", "model"}
    assert first_column(asking) == {*OWN, "language", "languages", "language_scope", "task", *prompts, *text, *others}
    assert {*RAW_ENCODINGS, "container", "pcm"} <= set(re.findall(r"`(\w+)`", asking))


def test_every_option_is_documented_with_its_default():
    documented = dict(re.findall(r"^\| `?([\w`, ]+?)`? \| (.*?) \|", section("Options of the server"), re.M))
    listed = {name: default.strip("`") for cell, default in documented.items() for name in re.findall(r"\w+", cell)}
    listed = {name: default for name, default in listed.items() if name != "option"}
    fields = WebSocketOptions.model_fields
    assert listed.keys() == fields.keys()
    for name, field in fields.items():
        if field.default is not None:
            assert json.loads(f'"{listed[name]}"' if isinstance(field.default, str) else listed[name]) == field.default


def test_every_field_of_every_message_is_documented():
    word = Word(" a", 0, 1, 0.5)
    notes = (Note("damaged", "2.0 s", 32_000),)
    line = Line(0, 1, (word,), "en", (Translation(0, 1, "um"),))
    update = Update(lines=(line,), committed=(word,), language="en", deaf=True, notes=notes, turn_over=0.5)
    full = json.loads(FullMessages(with_words=True).write(update))
    parts = [full, full["lines"][0], full["new_words"][0], full["notes"][0]]
    assert first_column(section("`transcript_update`")) == {name for part in parts for name in part} - {"type"}
    diffs = DiffMessages()
    diffs.write(update)
    grown = Update(lines=(Line(0, 2, (word, word), "en"),))
    diff = json.loads(diffs.write(grown))
    assert first_column(section("`snapshot` and `diff`")) == set(diff) - set(full) | {"seq"}
