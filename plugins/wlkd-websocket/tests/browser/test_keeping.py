"""Transcripts that the browser keeps: over a reload, a crash and a closed tab."""

from __future__ import annotations

import re
from typing import Any

from .given import words

OPENED = "sessionStorage.getItem('wlkd.place') !== null"


async def test_a_meeting_that_is_too_long_for_the_browser_is_kept_without_the_times_of_its_words(scripted, browse):
    meet = """async () => {
        const { Archive } = await import("./page/archive.js");
        const { Transcript } = await import("./page/transcript.js");
        const transcript = new Transcript();
        transcript.begin(0);
        const lines = [], new_words = [];
        for (let n = 0; n < 1000; n++) {
            const own = [...Array(20)].map((_, k) => ({ text: " word", start: n + k / 20, end: n + k / 20 + 0.05 }));
            new_words.push(...own);
            lines.push({ speaker: 1, text: " word".repeat(20), start_seconds: n, end_seconds: n + 1 });
        }
        transcript.update({ lines, new_words, buffer_transcription: "" });
        const archive = new Archive(transcript);
        const answers = [];
        // Characters that are left.
        for (const left of [5e5, 0]) {
            let full = "";
            for (let step = 4e6; step >= 1; step = Math.floor(step / 2)) {
                try { localStorage.setItem("full", full + "x".repeat(step)); full += "x".repeat(step); } catch {}
            }
            localStorage.setItem("full", full.slice(left));
            archive.save();
            answers.push([archive.holds, JSON.parse(localStorage.getItem("wlkd.transcript"))?.[0].lines.length ?? 0]);
            localStorage.removeItem("wlkd.transcript");
            localStorage.removeItem("full");
        }
        return answers;
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        assert await visit.evaluate(meet) == [[True, 1000], [False, 0]]


async def test_keeping_a_long_meeting_writes_only_what_is_new_and_a_crash_loses_none_of_it(scripted, browse):
    meet = """async () => {
        const { Archive } = await import("./page/archive.js");
        const { Transcript } = await import("./page/transcript.js");
        const transcript = new Transcript();
        const archive = new Archive(transcript);
        let due = null;
        window.setTimeout = (run) => (due = run);
        let written = 0;
        const set = Storage.prototype.setItem;
        Storage.prototype.setItem = function (key, value) { written += value.length; set.call(this, key, value); };
        const kept = () => {
            written = 0;
            archive.touch();
            due();
            // As a page that is opened after a crash.
            const again = new Transcript();
            new Archive(again);
            const said = ({ lines, spoken }) => JSON.stringify([lines, spoken]);
            return [said(again) === said(transcript), written];
        };
        const line = (n, text) => ({ speaker: 1, text, start_seconds: n, end_seconds: n + 1 });
        const word = (n, text) => ({ text, start: n, end: n + 1 });
        const say = (first, texts, words) => transcript.update({
            first_line: first,
            lines: texts.map((text, n) => line((first ?? 0) + n, text)),
            new_words: words,
            buffer_transcription: "",
        });
        const some = (count, from = 0) => [...Array(count)].map((_, n) => from + n);
        transcript.begin(0);
        say(undefined, some(5000).map(() => " one"), some(5000).map((n) => word(n, " one")));
        const all = kept();
        const answers = [];
        const check = (name) => answers.push([name, ...kept()]);
        say(5000, [" two"], [word(5000, " two")]);
        check("a new line");
        say(5000, [" two three"], [word(5000.5, " three")]);
        check("a line that grows");
        say(4998, [" One", " one", " two three"], []);
        check("lines that change");
        say(undefined, [...some(4998).map(() => " one"), " One", " one", " two three", " four"], [word(5001, " four")]);
        check("of a file all lines come again");
        transcript.begin(6000);
        check("a new connection");
        say(0, [" five"], [word(0, " five")]);
        check("its words");
        transcript.restart();
        check("that begins anew");
        say(0, [" six"], [word(0, " six")]);
        check("its other words");
        transcript.seal();
        check("its end");
        for (let n = 1; n < 1000; n++) {
            say(n, [" seven"], [word(n, " seven")]);
            if (n % 40 === 0) answers.push(["hundreds of lines", kept()[0], 0]);
        }
        transcript.clear();
        transcript.begin(0);
        say(0, [" eight"], [word(0, " eight")]);
        check("the next transcript");
        transcript.clear();
        check("nothing");
        return [all, answers];
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.opens(daemon.http)
        all_of_it, answers = await visit.evaluate(meet)
        assert all_of_it[0] and all_of_it[1] > 100_000
        assert [answer for answer in answers if not answer[1] or answer[2] > 5_000] == []


async def test_words_survive_a_crash_in_the_middle_of_a_recording(scripted, browse):
    """Nothing is said to the page: neither that it is left, nor that it is hidden."""
    silence = "addEventListener('pagehide', (event) => event.stopImmediatePropagation());"
    kept = "/four/.test(localStorage.getItem('wlkd.changes'))"
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(silence)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.until(kept)
        said = await visit.said()
        visit.on("dialog", lambda dialog: dialog.accept())
        await visit.reload()
        again = await visit.said()
        assert again[:4] == said[:4] == ["one", "two", "three", "four"]
        await visit.sees("#notice", "The recording was interrupted")
        await visit.click("#notice button:has-text('Continue')")
        await visit.is_in("recording")
        await visit.hears("two")
        assert len(await visit.finishes()) > len(again)
        await visit.reload()
        await visit.sees("#kept", "kept in this browser")
        await visit.sees_no("#notice")


async def test_tabs_keep_their_transcripts_apart_and_a_new_one_brings_back_what_a_closed_one_kept(scripted, browse):
    async def record(tab: Any, until: str) -> list[str]:
        await tab.click("#record")
        await tab.hears(until)
        return list(await tab.finishes())

    async with scripted() as daemon, browse() as one:
        await one.goto(daemon.http)
        first = await record(one, "two")
        other = type(one)(await one.context.new_page())
        await other.opens(daemon.http)
        assert await other.said() == []
        second = await record(other, "six")
        assert len(second) > len(first)
        for _ in range(3):
            await one.reload()
            await one.until(OPENED)
            await other.reload()
            await other.until(OPENED)
            assert await one.said() == first and await other.said() == second
        # A copy of a tab has its storage, too, and is a tab of its own.
        copied = await other.evaluate("sessionStorage.getItem('wlkd.place')")
        copy = type(one)(await one.context.new_page())
        await copy.add_init_script(
            f"sessionStorage.getItem('wlkd.place') ?? sessionStorage.setItem('wlkd.place', {copied})"
        )
        await copy.goto(daemon.http)
        await copy.until("sessionStorage.getItem('wlkd.place') === '3'")
        assert await copy.said() == second
        await copy.click("#clear")
        await other.reload()
        assert await other.said() == second
        for tab in (one, other, copy):
            await tab.page.close()
        for expected in (second, first, []):  # the last one first
            again = type(one)(await one.context.new_page())
            await again.opens(daemon.http)
            await again.wait_for_timeout(200)
            assert await again.said() == expected


async def test_a_new_tab_reaches_every_transcript_that_closed_tabs_have_left(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 360, "height": 640}) as one:
        await one.goto(daemon.http)
        await one.sees_no("#earlier")
        kept: list[list[str]] = []
        tabs = [one]
        for until in ("two", "four", "six"):
            tab = tabs[-1]
            await tab.click("#record")
            await tab.hears(until)
            await tab.sees_no("#earlier")
            kept.append(await tab.finishes())
            tabs.append(type(one)(await one.context.new_page()))
            await tabs[-1].goto(daemon.http)
            await tabs[-1].until(OPENED)
            await tabs[-1].sees_no("#earlier")  # the others are open
        again = tabs.pop()
        for tab in tabs:
            await tab.page.close()
        await again.reload()
        assert await again.said() == []
        for expected in (kept[2], kept[0]):
            await again.sees("#earlier", "Earlier transcripts")
            shown = await again.locator("#earlier button").all_inner_texts()
            index = [words(text) for text in shown].index(expected)
            assert re.match(r"0:0\d ", shown[index]), "how long it is"
            async with again.expect_navigation():
                await again.locator("#earlier button").nth(index).click()
            await again.sees("#kept", "kept in this browser")
            assert await again.said() == expected
        await again.click("#forget")
        assert len(await again.locator("#earlier button").all()) == 2
        assert await again.evaluate("document.getElementById('scroller').scrollTop") == 0
        await again.reload()
        await again.sees("#earlier", "one two three four")
        assert len(await again.locator("#earlier button").all()) == 2, "it is gone, and so is none of the others"


async def test_the_page_does_not_stand_still_while_it_reads_what_many_tabs_have_left(scripted, browse):
    leave = """() => {
        const line = { start: 0, end: 1, text: " one".repeat(500), speaker: null, language: "en" };
        const part = { offset: 0, target: null, others: 0, lines: [line], words: [], tail: "", draft: "" };
        for (const place of [2, 3, 4]) localStorage.setItem(`wlkd.transcript.${place}`, JSON.stringify([part]));
        sessionStorage.setItem("wlkd.place", "1");
    }"""
    # How many are read before anything else has its turn.
    count = """
    let now = 0;
    window.most = 0;
    const { parse } = JSON;
    JSON.parse = (text) => {
        if (text?.length > 1000) {
            most = Math.max(most, ++now);
            setTimeout(() => (now = 0));
        }
        return parse(text);
    };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(leave)
        await visit.add_init_script(count)
        await visit.reload()
        await visit.until("document.querySelectorAll('#earlier button').length === 3")
        await visit.sees("#earlier", "one one")
        assert await visit.evaluate("most") == 1
