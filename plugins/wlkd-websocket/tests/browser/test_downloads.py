"""The transcript outside the page: copied, as text, as subtitles."""

from __future__ import annotations

import json
import re
from pathlib import Path

from wlkd.contract.text import ABBREVIATIONS, ORDINALS

from .given import words

EXAMPLES = Path(__file__).resolve().parents[4] / "tests"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def test_downloads_and_copy(scripted, browse):
    async with (
        scripted() as daemon,
        browse(permissions=["microphone", "clipboard-read", "clipboard-write"]) as visit,
    ):
        await visit.goto(daemon.http)
        assert await visit.is_disabled("#save-srt")
        await visit.click("#record")
        await visit.hears("four")
        said = await visit.finishes()
        saved = {}
        for kind in ("txt", "srt", "vtt", "json"):
            async with visit.expect_download() as download:
                await visit.click(f"#save-{kind}")
            file = await download.value
            assert file.suggested_filename.endswith(f".{kind}")
            saved[kind] = read(await file.path())
        assert words(saved["txt"]) == said
        assert re.match(r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\none two", saved["srt"])
        assert re.match(r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\none two", saved["vtt"])
        assert words(re.sub(r"^\d.*$", "", saved["srt"], flags=re.M)) == said
        document = json.loads(saved["json"])
        assert [word["text"].strip() for line in document["lines"] for word in line["words"]] == said
        await visit.click("#copy")
        await visit.sees("#copy", "Copied")
        assert words(await visit.evaluate("navigator.clipboard.readText()")) == said


async def test_subtitles_are_cut_as_everywhere_else(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        for example in json.loads(read(EXAMPLES / "clients" / "cues.json")):
            made = await visit.evaluate(
                """async ({ lines, language, label }) => {
                    const { cues, rows } = await import("./page/cues.js");
                    const word = ([text, start, end]) => ({ text, start, end });
                    const spoken = lines.map((words) => ({ words: words.map(word), language }));
                    const made = cues(spoken, () => label ?? "");
                    return made.map(({ start, end, text }) => [start, end, rows(text, language)]);
                }""",
                example,
            )
            assert made == example["cues"], example["name"]


SENTENCES = """async (examples) => {
  const { endsSentence } = await import("./page/sentences.js");
  return examples.map(([text, language]) => endsSentence(text, language));
}"""


async def test_sentences_end_as_everywhere_else(scripted, browse):
    examples = json.loads(read(EXAMPLES / "sentences.json"))
    examples += [[f"the {word}", None, False] for word in ABBREVIATIONS]
    examples += [["the 3.", language, False] for language in ORDINALS]
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        made = await visit.evaluate(SENTENCES, examples)
        assert [example for example, ends in zip(examples, made, strict=True) if example[2] != ends] == []
