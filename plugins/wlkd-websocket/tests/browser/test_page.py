"""The page in a real Chromium: what people do on a good day."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.text import ABBREVIATIONS, ORDINALS

EXAMPLES = Path(__file__).resolve().parents[4] / "tests"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.mark.parametrize("kind", ["container", "pcm"])
async def test_press_speak_and_read(kind, scripted, browse, script):
    async with scripted(input=kind) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#empty", "Press the button")
        await visit.click("#record")
        await visit.is_in("recording")
        await visit.sees("#tail", re.compile(r"\w"))
        await visit.hears("four")
        assert script(await visit.finishes(), 4)
        await visit.sees("#tail", re.compile("^$"))
        await visit.sees_no("#notice")


async def test_everything_comes_from_the_server_itself(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        asked: list[str] = []
        visit.on("request", lambda request: asked.append(request.url))
        visit.on("websocket", lambda socket: asked.append(socket.url))
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        assert {re.sub(r"^\w+://", "", url).split("/")[0] for url in asked} == {f"127.0.0.1:{daemon.port}"}
        assert any(url.startswith(f"{daemon.ws}/asr?") for url in asked)


async def test_a_second_recording_goes_on_below_the_first_and_a_reload_keeps_both(scripted, browse, script):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        first = await visit.finishes()
        await visit.click("#record")
        await visit.sees("#lines .line:nth-child(2)", "two")
        both = await visit.finishes()
        assert both[: len(first)] == first and script(both[len(first) :], 1)
        await visit.reload()
        assert await visit.said() == both
        await visit.sees("#kept", "kept in this browser")
        await visit.click("#forget")
        assert await visit.said() == []
        await visit.click("#notice button:has-text('Undo')")
        assert await visit.said() == both
        await visit.click("#clear")
        await visit.reload()
        assert await visit.said() == []


async def test_a_pause_stops_the_clock_and_frees_the_place(scripted, browse, script):
    async with scripted({"sessions": {"max_sessions": 1}}) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.click("#pause")
        await visit.is_in("paused")
        await visit.sees("#tail", re.compile("^$"))  # what was said before is transcribed
        while daemon.daemon.http and (await visit.evaluate(PLACES)) != 426:
            pass
        stood = await visit.inner_text("#elapsed")
        first = await visit.said()
        await visit.click("#pause")
        await visit.sees("#lines .line:nth-child(2)", "two")
        both = await visit.finishes()
        assert both[: len(first)] == first and script(both[len(first) :], 2)
        second = await visit.inner_text("#lines .line:nth-child(2) .when")
        assert second == stood, "the second line begins where the clock stood"


PLACES = "fetch('asr').then((answer) => answer.status)"
"""426: a place is free."""


async def seconds(visit) -> int:
    """What the clock shows."""
    minutes, rest = (await visit.inner_text("#elapsed")).split(":")
    return 60 * int(minutes) + int(rest)


@pytest.mark.parametrize("last", ["#record", "#pause"])
async def test_what_is_said_after_a_pause_is_heard_however_soon_it_ends(last, scripted, browse):
    core = {"backend": {"name": "scripted", "options": {"step_seconds": 3}}}
    async with scripted(core) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.click("#pause")
        await visit.is_in("paused")
        stood = await seconds(visit)
        await visit.click("#pause")  # the words before it are still being transcribed
        while await seconds(visit) < stood + 2:
            await visit.wait_for_timeout(20)
        await visit.click(last)
        if last == "#pause":
            await visit.is_in("paused")
            await visit.click("#record")
        await visit.is_in("idle")
        assert await seconds(visit) >= stood + 2


async def test_sound_that_is_kept_no_longer_is_silence(scripted, browse):
    """The server's clock goes on, and what is still there is sent once."""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        sent = await visit.evaluate(
            """async () => {
                const { KeptSound } = await import("./page/kept.js");
                const kept = new KeptSound(6);
                for (let n = 1; n <= 4; n++) kept.append(Int16Array.of(n, n, n));
                const sent = [];
                for (let piece; (piece = kept.from(1 + sent.length)); ) sent.push(...piece);
                return sent;
            }"""
        )
        assert sent == [0, 0, 0, 0, 0, 3, 3, 3, 4, 4, 4]


async def test_a_recorder_can_be_stopped_twice_at_once(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(
            """async () => {
                const { Sound } = await import("./page/sound.js");
                const sound = await Sound.open("");
                const stop = sound.record(() => {});
                await Promise.all([stop(), stop()]);
                await sound.close();
            }"""
        )


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


async def test_a_file_is_transcribed(scripted, browse, script, tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="pip install wlkd-bench")
    np = pytest.importorskip("numpy")
    path = tmp_path / "meeting.wav"
    soundfile.write(path, np.zeros(16_000 * 300, dtype="float32"), 16_000)
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.until(r"/meeting\.wav: \d+ %/.test(document.getElementById('status').textContent)")
        await visit.is_in("idle")
        assert script(await visit.said(), 600)
        await visit.sees("#elapsed", "5:00")


async def test_keyboard_alone(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.keyboard.press("Space")
        await visit.hears("one")
        await visit.keyboard.press("Space")
        await visit.is_in("idle")
        await visit.focus("#record")
        await visit.keyboard.press("Enter")
        await visit.is_in("recording")
        await visit.keyboard.press("Space")  # on the button: pressed once, not twice
        await visit.is_in("idle")
        await visit.evaluate("document.activeElement.blur()")
        for other in ("Control", "Alt", "Meta", "Shift"):
            await visit.keyboard.press(f"{other}+Space")
            assert await visit.get_attribute("body", "data-state") == "idle"


async def test_chinese_page_and_themes(scripted, browse):
    async with scripted() as daemon, browse(locale="zh-CN", color_scheme="dark") as visit:
        await visit.goto(daemon.http)
        await visit.sees("#status", "就绪")
        assert await visit.get_attribute("html", "lang") == "zh-CN"
        await visit.sees("#language", "法语")
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await visit.evaluate(ground)
        await visit.click("#theme")
        assert await visit.evaluate(ground) != dark
        await visit.click("#ui-language")
        await visit.sees("#status", "Ready")
        await visit.reload()
        await visit.sees("#status", "Ready")
        assert await visit.evaluate(ground) != dark
        await visit.click("#theme")
        await visit.click("#theme")
        assert "as the system" in await visit.get_attribute("#theme", "title")
        assert await visit.evaluate(ground) == dark


async def test_the_page_finds_a_websocket_that_is_elsewhere(scripted, browse, script):
    async with scripted(path="/speech/live") as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#language", "French")  # of its capabilities
        await visit.click("#record")
        await visit.hears("two")
        assert script(await visit.finishes(), 2)


async def test_wishes_go_into_the_address(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        urls: list[str] = []
        visit.on("websocket", lambda socket: urls.append(socket.url))
        await visit.goto(daemon.http)
        await visit.select_option("#language", "zh")
        await visit.click("#open-settings")
        await visit.fill("#hotwords", "Shelley，AlignAtt")
        await visit.fill("#prompt", "Romantic poetry.")
        await visit.check("#translate")
        await visit.click("#settings .primary")
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        wishes = "language=zh&hotwords=Shelley%EF%BC%8CAlignAtt&initial_prompt=Romantic+poetry.&task=translate"
        assert urls == [f"{daemon.ws}/asr?{wishes}&format=pcm&resume=true"]


async def test_escape_leaves_the_settings_as_they_were(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        for leave in ("Escape", "#cancel"):
            await visit.click("#open-settings")
            await visit.fill("#hotwords", "mistyped")
            await (visit.click(leave) if leave.startswith("#") else visit.keyboard.press(leave))
            await visit.click("#open-settings")
            assert await visit.input_value("#hotwords") == ""
            await visit.keyboard.press("Escape")


async def test_what_is_chosen_in_one_tab_keeps_what_was_chosen_in_another(scripted, browse):
    async with scripted() as daemon, browse() as one:
        await one.goto(daemon.http)
        other = type(one)(await one.context.new_page())
        await other.goto(daemon.http)
        await one.click("#open-settings")
        await one.fill("#token", "sesame")
        chosen = "document.querySelector('#settings .primary').click(); localStorage.getItem('wlkd.settings')"
        assert "sesame" in await one.evaluate(chosen), "at once: a hidden tab draws no frame to wait for"
        await other.is_told("settings", "sesame")
        await other.sees("#language", "French")
        await other.select_option("#language", "fr")
        await other.click("#open-settings")
        await other.fill("#hotwords", "Shelley")
        await other.click("#settings .primary")
        await one.is_told("settings", "Shelley")
        await one.reload()
        await one.sees("#language option:checked", "French")
        await one.click("#open-settings")
        assert await one.input_value("#token") == "sesame"
        assert await one.input_value("#hotwords") == "Shelley"


async def test_only_what_the_model_can_do_is_offered(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#language", "French")
        codes = await visit.eval_on_selector_all("#language option", "options => options.map((each) => each.value)")
        assert codes == ["", "en", "zh", "es", "fr", "de"]
        # An English-only model, with a server that says so.
        offer = json.dumps({"languages": ["en"], "language": "en", "tasks": ["transcribe"]})
        await visit.route("**/asr/capabilities", lambda route: route.fulfill(body=offer))
        await visit.reload()
        await visit.sees("#language", re.compile("^English$"))
        await visit.click("#open-settings")
        await visit.sees_no("#translate")


async def test_a_meeting_may_be_in_several_languages_where_the_model_follows_them(scripted, browse):
    engine = {"name": "default", "backend": "simulstreaming", "model": "base", "languages": ["en", "zh"]}
    offer = {"languages": ["en", "zh"], "language": "en", "tasks": ["transcribe"], "chinese_script": "simplified"}
    body = json.dumps({**offer, "engines": [{**engine, "abilities": {"several_languages": True}}]})
    async with scripted() as daemon, browse(locale="zh-CN") as visit:
        urls: list[str] = []
        visit.on("websocket", lambda socket: urls.append(socket.url))
        await visit.route("**/asr/capabilities", lambda route: route.fulfill(body=body))
        await visit.goto(daemon.http)
        await visit.sees_no("#language-hint")
        await visit.select_option("#language", label="多种语言交替")
        await visit.sees("#language-hint", "每次停顿后重新识别语种")
        await visit.sees("#script-choice", "中文字形")
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        assert urls == [f"{daemon.ws}/asr?language=auto&language_scope=segment&format=pcm&resume=true"]
        await visit.reload()
        await visit.click("#ui-language")
        await visit.sees("#language option:checked", "Several languages in turn")
        await visit.sees("#language-hint", "Recognized anew after each pause")


async def test_the_page_says_how_long_a_language_that_was_found_is_kept(scripted, browse):
    for scope, hint in (("session", "then kept"), ("segment", "anew after each pause")):
        async with scripted({"recognition": {"language_scope": scope}}) as daemon, browse() as visit:
            await visit.goto(daemon.http)
            await visit.sees("#language", "French")
            await visit.sees("#language-hint", hint)


async def test_a_server_with_several_models_lets_people_choose(scripted, browse):
    korean = {"name": "scripted", "options": {"languages": ["ko"], "script": [" hana", " dul"]}}
    async with scripted({"engines": {"korean": korean}, "routing": {"ko": "korean"}}) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#model", re.compile("korean"))
        await visit.select_option("#model", "korean")
        codes = await visit.eval_on_selector_all("#language option", "options => options.map((each) => each.value)")
        assert codes == ["ko"], "what this model knows"
        await visit.keyboard.press("Space")
        await visit.hears("dul")
        await visit.finishes()


async def test_captions_fill_the_screen(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 1280, "height": 720}) as visit:
        await visit.goto(f"{daemon.http}/?view=captions")
        await visit.keyboard.press("Space")
        await visit.hears("two")
        size = "parseFloat(getComputedStyle(document.querySelector('.text')).fontSize)"
        normal = await visit.evaluate(size)
        assert normal > 48
        await visit.click("#captions-larger")
        assert await visit.evaluate(size) > normal
        await visit.click("#captions-full")
        await visit.until("document.fullscreenElement !== null")
        await visit.click("#captions-leave")
        await visit.until("document.fullscreenElement === null")
        assert "captions" not in visit.url
        assert await visit.evaluate(size) < 24
        await visit.finishes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_captions_are_white_on_black_and_what_may_change_is_yellow(scheme, scripted, browse):
    colour = "(part, name) => getComputedStyle(document.querySelector(part))[name]"
    async with scripted() as daemon, browse(color_scheme=scheme) as visit:
        await visit.goto(f"{daemon.http}/?view=captions")
        for theme in ("system", "light", "dark"):
            await visit.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            seen = [
                await visit.evaluate(f"({colour})('{part}', '{name}')")
                for part, name in ((".paper", "backgroundColor"), (".paper", "color"), ("#tail", "color"))
            ]
            assert seen == ["rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgb(255, 225, 107)"], theme


async def test_captions_end_above_the_buttons_on_a_phone_on_its_side(scripted, browse):
    async with scripted() as daemon, browse(viewport={"width": 844, "height": 390}) as visit:
        await visit.goto(f"{daemon.http}/?view=captions")
        await visit.keyboard.press("Space")
        await visit.hears("ten")
        words, buttons = [await visit.locator(each).bounding_box() for each in ("#lines", ".caption-bar")]
        assert words["y"] + words["height"] <= buttons["y"]


async def test_escape_leaves_the_captions_after_what_is_on_top_of_them(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.focus("#captions")
        await visit.keyboard.press("Enter")
        await visit.evaluate("import('./page/dialog.js').then(({ openSettings }) => openSettings())")
        await visit.sees("#settings", "Server address")
        await visit.keyboard.press("Escape")
        await visit.sees_no("#settings")
        await visit.click("#captions-full")
        await visit.until("document.fullscreenElement !== null")
        await visit.keyboard.press("Escape")
        assert await visit.get_attribute("html", "data-view") == "captions"
        await visit.evaluate("document.exitFullscreen()")  # the browser's own key, which it does not show the page
        await visit.keyboard.press("Escape")
        assert await visit.get_attribute("html", "data-view") is None
        assert await visit.evaluate("document.activeElement.id") == "captions"


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


OPENED = "sessionStorage.getItem('wlkd.place') !== null"


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
