"""Who speaks, on the page: a name and a colour for each speaker, names that the person gives, and both in the files."""

from __future__ import annotations

SHOW = """async () => {
  const { Transcript } = await import("./page/transcript.js");
  const { TranscriptView } = await import("./page/view.js");
  const line = (speaker, text, start) => ({ speaker, text, start_seconds: start, end_seconds: start + 1 });
  const lines = [line(1, " Good morning.", 0), line(2, " <Morning>.", 1), line(2, " Again.", 2)];
  const words = lines.map((one) => ({ text: one.text, start: one.start_seconds, end: one.end_seconds }));
  window.say = (diarized) => {
    window.transcript = new Transcript();
    transcript.begin(0);
    const new_words = words.map((word, n) => (diarized ? { ...word, speaker: lines[n].speaker } : word));
    transcript.update({ lines, new_words, buffer_diarization: diarized ? " who" : "", buffer_transcription: " knows" });
    (window.view ??= new TranscriptView()).render(transcript);
  };
}"""

FILES = """async () => {
  const { FORMATS } = await import("./page/files.js");
  return Object.fromEntries(Object.entries(FORMATS).map(([name, [, write]]) => [name, write(transcript, "x")]));
}"""

NAMES = """() => [...document.querySelectorAll(".who")].filter((who) => !who.hidden).map((who) => who.textContent)"""


async def test_speakers_have_names_that_can_be_changed(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        await visit.page.evaluate(SHOW)
        await visit.page.evaluate("say(false)")
        assert await visit.page.evaluate(NAMES) == []
        assert "Speaker" not in str(await visit.page.evaluate(FILES))

        await visit.page.evaluate("say(true)")
        assert await visit.page.evaluate(NAMES) == ["Speaker 1", "Speaker 2"]
        await visit.sees("#tail", "who knows")
        visit.page.once("dialog", lambda dialog: dialog.accept("Anna & Co"))
        await visit.page.locator(".who >> nth=1").click()
        await visit.page.evaluate("view.render(transcript)")
        assert await visit.page.evaluate(NAMES) == ["Speaker 1", "Anna & Co"]
        files = await visit.page.evaluate(FILES)
        assert files["txt"].startswith("Speaker 1: Good morning.\nAnna & Co: <Morning>.\n")
        assert "\nAnna & Co: <Morning>.\n" in files["srt"]
        assert "\n<v Anna &amp; Co>&lt;Morning&gt;.\n" in files["vtt"]
        assert '"name":"Anna & Co"' in files["json"]


SAY_AGAIN = """() => {
  transcript.begin(transcript.end);
  const line = { speaker: 1, text: " I am back.", start_seconds: 0, end_seconds: 1 };
  transcript.update({ lines: [line], new_words: [{ ...line, start: 0, end: 1 }], buffer_transcription: "" });
  view.render(transcript);
}"""


async def test_who_speaks_first_after_a_pause_is_not_taken_for_who_spoke_first_before_it(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        await visit.page.evaluate(SHOW)
        await visit.page.evaluate("say(true)")
        visit.page.once("dialog", lambda dialog: dialog.accept("Anna"))
        await visit.page.locator(".who >> nth=0").click()
        await visit.page.evaluate(SAY_AGAIN)
        assert await visit.page.evaluate(NAMES) == ["Anna", "Speaker 2", "Speaker 3"]


KEPT = """() => {
  const line = { start: 0, end: 1, text: " Good morning.", speaker: 1, language: "en" };
  const parts = [{ offset: 0, target: null, others: 0, diarized: true, lines: [line], words: [], tail: "", draft: "" }];
  localStorage.setItem("wlkd.transcript", JSON.stringify(parts));
  localStorage.setItem("wlkd.speakers", JSON.stringify({ 1: "Anna" }));
}"""


async def test_undo_brings_the_names_back_too(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.page.evaluate(KEPT)
        await visit.page.reload()
        await visit.sees(".who", "Anna")
        await visit.page.click("#clear")
        await visit.page.click("#notice button:has-text('Undo')")
        assert await visit.page.evaluate(NAMES) == ["Anna"]
        await visit.page.reload()
        assert await visit.page.evaluate(NAMES) == ["Anna"]


async def test_the_switch_is_shown_where_the_server_can_tell_speakers(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#open-settings")
        assert not await visit.page.locator("#diarize-choice").is_visible()
