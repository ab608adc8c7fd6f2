"""A transcript and its translation, in each format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wlkd_openai.form import parse
from wlkd_openai.formats import Deltas, response

from wlkd import Line, Translation, Update, Word

LINES = (
    Line(0, 16_000, (Word(" Good morning.", 0, 16_000),), "en", (Translation(0, 16_000, "Bom dia."),)),
    Line(16_000, 32_000, (Word(" Morning.", 16_000, 32_000),), "en", (Translation(16_000, 32_000, "Bom dia!"),)),
)
UPDATE = Update(lines=LINES, committed=LINES[0].words, language="en", received=32_000, final=True)
FORM = {"model": ["whisper-1"], "target_language": ["pt"]}


def body(format: str) -> str:
    wishes = parse(FORM | {"response_format": [format]}, "transcribe")
    assert wishes.query["target_language"] == "pt"
    return response(UPDATE, wishes).text or ""


def test_json_has_both() -> None:
    plain: dict[str, Any] = json.loads(body("json"))
    assert (plain["text"], plain["translation"]) == ("Good morning. Morning.", "Bom dia. Bom dia!")
    verbose = json.loads(body("verbose_json"))
    assert [(one["text"], one["translation"]) for one in verbose["segments"]] == [
        (" Good morning.", "Bom dia."),
        (" Morning.", "Bom dia!"),
    ]


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
def test_a_format_of_one_language_is_in_the_one_that_was_asked_for(format: str) -> None:
    assert "Bom dia!" in body(format) and "morning" not in body(format).lower()


def test_as_text_sentences_of_two_lines_are_parted() -> None:
    assert body("text") == "Bom dia. Bom dia!\n"


def test_a_stream_ends_with_the_translation() -> None:
    wishes = parse(FORM | {"stream": ["true"]}, "transcribe")
    events = [json.loads(line[6:]) for line in Deltas(wishes).write(UPDATE).decode().split("\n\n") if line]
    assert events[-1]["type"] == "transcript.text.done" and events[-1]["translation"] == "Bom dia. Bom dia!"
