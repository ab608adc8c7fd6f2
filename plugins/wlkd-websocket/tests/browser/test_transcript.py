"""The transcript on the screen."""

from __future__ import annotations


async def test_an_update_touches_only_the_lines_that_it_changes(scripted, browse):
    """The same work after three hours as after a minute."""
    update = """async () => {
        const { Transcript } = await import("./page/transcript.js");
        const { TranscriptView } = await import("./page/view.js");
        const view = new TranscriptView();
        const transcript = new Transcript();
        const line = (n, text) => ({ speaker: 1, text, start_seconds: n, end_seconds: n + 1 });
        const lines = [...Array(1000)].map((_, n) => line(n, " one"));
        transcript.begin(0);
        let asked = 0;
        const ask = Element.prototype.querySelector;
        Element.prototype.querySelector = function (...selector) { asked++; return ask.apply(this, selector); };
        const work = (message) => {
            asked = 0;
            transcript.update({ ...message, buffer_transcription: "" });
            view.render(transcript);
            return asked;
        };
        const all = work({ lines });
        // Of a recording, of which what may change is sent, and of a file, of which everything is.
        const some = [work({ lines: [line(999, " one two")], first_line: 999 }), work({ lines: [...lines] })];
        return [all, ...some, document.querySelector("#lines").innerText.match(/one/g).length];
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        first, *later, seen = await visit.evaluate(update)
        assert first > 1000 and max(later) < 20
        assert seen == 1000


async def test_arabic_goes_from_right_to_left_and_english_beside_it_does_not(scripted, browse):
    show = """async () => {
        const { Transcript } = await import("./page/transcript.js");
        const { TranscriptView } = await import("./page/view.js");
        const view = new TranscriptView();
        const transcript = new Transcript();
        const direction = (selector) => getComputedStyle(document.querySelector(selector)).direction;
        transcript.begin(0, "en");
        transcript.update({ lines: [], buffer_transcription: " مرحبا Anna" });
        view.render(transcript);
        const seen = [direction("#tail")];
        const line = { speaker: 1, text: " مرحبا Anna.", start_seconds: 0, end_seconds: 1, translation: "Hello." };
        const new_words = [{ text: line.text, start: 0, end: 1, speaker: 1 }];
        transcript.update({ lines: [line], new_words, buffer_transcription: " Bob" });
        view.render(transcript);
        return [...seen, ...[".words", "#tail", ".who", ".translation"].map(direction)];
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        assert await visit.evaluate(show) == ["rtl", "rtl", "rtl", "ltr", "ltr"]


KEEP_LONG = """() => {
  const line = (n) => ({ start: n, end: n + 1, text: " one two three", speaker: null, language: "en" });
  const lines = [...Array(40)].map((_, n) => line(n));
  const parts = [{ offset: 0, target: null, others: 0, lines, words: [], tail: "", draft: "" }];
  for (const place of ["", ".2", ".3", ".4"]) localStorage.setItem(`wlkd.transcript${place}`, JSON.stringify(parts));
}"""
END_IS_SEEN = """(() => {
  const [words, paper] = ["tail", "scroller"].map((id) => document.getElementById(id).getBoundingClientRect());
  return words.top > paper.top && words.bottom < paper.bottom;
})()"""


async def test_the_end_is_followed_though_what_stands_below_it_comes_and_goes(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(KEEP_LONG)
        await visit.reload()
        for _ in range(2):
            await visit.sees("#earlier", "Earlier transcripts")
            await visit.until(END_IS_SEEN)
            await visit.evaluate("document.getElementById('scroller').scrollTop -= 1")
            await visit.wait_for_timeout(100)
            await visit.click("#record")
            await visit.hears("two")
            await visit.sees_no("#to-end")
            await visit.until(END_IS_SEEN)
            await visit.finishes()


async def test_nobody_is_led_to_words_that_were_cleared(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 360, "height": 740}) as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(KEEP_LONG)
        await visit.reload()
        await visit.sees("#kept", "kept in this browser")
        await visit.evaluate("document.getElementById('scroller').scrollTop = 0")
        await visit.wait_for_timeout(100)
        await visit.click("#clear")
        await visit.sees("#notice", "cleared")
        await visit.sees_no("#to-end")
