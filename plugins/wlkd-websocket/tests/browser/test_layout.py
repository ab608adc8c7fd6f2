"""There is room for everything: on phones, on wide screens and on paper."""

from __future__ import annotations

import re

import pytest

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE


@pytest.mark.parametrize("query", ["", "?view=captions"])
async def test_paper_has_the_whole_transcript_in_dark_letters(query, scripted, browse):
    show = """async () => {
        const { Transcript } = await import("./page/transcript.js");
        const { TranscriptView } = await import("./page/view.js");
        const transcript = new Transcript();
        const line = (n) => ({ speaker: 1, text: " one two", start_seconds: n, end_seconds: n + 1 });
        transcript.begin(0);
        transcript.update({ lines: [...Array(200)].map((_, n) => line(n)), buffer_transcription: "" });
        new TranscriptView().render(transcript);
    }"""
    async with scripted() as daemon, browse(color_scheme="dark") as visit:
        await visit.opens(f"{daemon.http}/{query}")
        await visit.evaluate(show)
        await visit.page.emulate_media(media="print")
        await visit.until("getComputedStyle(document.querySelector('.text')).color === 'rgb(0, 0, 0)'")
        pages = re.findall(rb"/Type /Page\b", await visit.page.pdf(format="A4"))
        assert len(pages) > 3
        await visit.sees_no("#record")


async def test_there_is_room_for_the_words_at_four_times_the_size(scripted, browse):
    """A screen of 1280 by 1024 is as wide as 320 then (WCAG 1.4.10)."""
    async with scripted() as daemon, browse(viewport={"width": 320, "height": 256}) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.finishes()
        room = await visit.locator("#scroller").bounding_box()
        assert room["height"] > 120
        await visit.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        assert (await visit.locator("#source").bounding_box())["y"] < 256, "the rest can be scrolled to"
        await visit.click("#captions")
        await visit.until("scrollY === 0 && document.documentElement.scrollHeight === innerHeight")


@pytest.mark.parametrize("query", ["", "?view=captions"])
async def test_nothing_lies_under_the_notch_of_a_phone_on_its_side(query, scripted, browse):
    outside = """({ left, right, bottom }) => {
        const words = document.createRange();
        words.selectNodeContents(document.getElementById("lines"));
        return [...document.querySelectorAll("button, select"), words]
            .map((part) => [part.id ?? "words", part.getBoundingClientRect()])
            .filter(([, box]) => box.width)
            .filter(([, box]) => box.left < left || box.right > innerWidth - right || box.bottom > innerHeight - bottom)
            .map(([name]) => name);
    }"""
    async with scripted() as daemon, browse(viewport={"width": 844, "height": 390}) as visit:
        browser = await visit.context.new_cdp_session(visit.page)
        insets = {"left": 59, "right": 59, "bottom": 21}
        await browser.send("Emulation.setSafeAreaInsetsOverride", {"insets": insets})
        await visit.goto(f"{daemon.http}/{query}")
        assert await visit.evaluate(outside, insets) == []
        await visit.keyboard.press("Space")
        await visit.hears("two")
        await visit.evaluate("import('./page/notices.js').then(({ explain }) => explain('deaf', {}, [['dismiss']]))")
        assert await visit.evaluate(outside, insets) == []


async def test_a_message_on_a_phone_leaves_room_for_the_words(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 360, "height": 500}) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.finishes()
        await visit.click("#clear")
        await visit.sees("#notice", "cleared")
        paper, title = [await visit.locator(each).bounding_box() for each in ("#scroller", "#empty-title")]
        assert title["y"] >= paper["y"], "what does not fit can be scrolled to"
        await visit.click("#notice button:has-text('Undo')")
        await visit.set_viewport_size({"width": 640, "height": 320})  # on its side, below the browser's bars
        await visit.click("#record")
        await visit.is_in("recording")
        await visit.evaluate("import('./page/notices.js').then(({ explain }) => explain('deaf'))")
        await visit.sees("#notice", "no words are recognized")
        assert (await visit.locator("#scroller").bounding_box())["height"] > 45, "a line"
        await visit.finishes()


async def test_a_message_on_a_small_phone_leaves_room_for_the_words(scripted, browse, tmp_path):
    path = tmp_path / "the meeting about next year of all who were there.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 600)))
    room = "document.getElementById('scroller').clientHeight"
    async with scripted() as daemon, browse(viewport={"width": 320, "height": 568}) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.finishes()
        await visit.click("#clear")
        assert await visit.evaluate(room) > 100
        await visit.set_input_files("#file", path)
        await visit.sees("#status", re.compile(r"wav: [1-9]"))
        assert await visit.evaluate(room) > 200, "a file's name and progress are no taller than they must be"


async def test_a_language_has_all_the_room_there_is_on_a_phone_on_its_side(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 844, "height": 390}) as visit:
        await visit.goto(daemon.http)
        await visit.sees("#language", "French")
        language, column = [await visit.locator(each).bounding_box() for each in ("#language", ".pick:last-child")]
        assert language["width"] == column["width"]


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
async def test_nothing_overflows_at_any_width(width, scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": width, "height": 700}) as visit:
        await visit.goto(daemon.http)
        await visit.sees("#status", "Ready")
        assert await visit.evaluate("document.documentElement.scrollWidth") <= width
        box = await visit.locator("#record").bounding_box()
        assert box["x"] >= 0 and box["y"] + box["height"] <= 700


async def test_an_earlier_transcript_is_cut_off_where_a_phone_ends(scripted, browse):
    leave = """() => {
        const line = { start: 0, end: 1, text: " one two three".repeat(20), speaker: null, language: "en" };
        const part = { offset: 0, target: null, others: 0, lines: [line], words: [], tail: "", draft: "" };
        localStorage.setItem("wlkd.transcript.2", JSON.stringify([part]));
    }"""
    async with scripted() as daemon, browse(viewport={"width": 360, "height": 740}) as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(leave)
        await visit.reload()
        await visit.sees("#earlier", "one two three")
        assert await visit.evaluate("document.documentElement.scrollWidth") <= 360
        box = await visit.locator("#earlier button").bounding_box()
        assert box["x"] + box["width"] <= 360
