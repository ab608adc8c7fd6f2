"""axe-core finds nothing to complain about: in both languages, all themes, on a phone and on a wide screen."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product

import pytest

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE

from .given import TELL_GIVEN

SIZES = {"phone": {"width": 360, "height": 740}, "wide": {"width": 1280, "height": 800}}
RUN = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)"


async def findings(visit, where: str) -> list[str]:
    found = await visit.evaluate(RUN)
    return [f"{where}: {each['id']}: {node['html']}: {node['any']}" for each in found for node in each["nodes"]]


async def test_axe_finds_nothing(scripted, browse):
    package = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    axe = files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
    found: list[str] = []
    # Reduced motion: a colour that is still fading in has no contrast to speak of.
    async with scripted() as daemon, browse(reduced_motion="reduce") as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(axe)
        await visit.click("#record")
        await visit.hears("two")
        for language, theme, (name, size) in product(("en", "zh"), ("light", "dark"), SIZES.items()):
            await visit.set_viewport_size(size)
            if await visit.get_attribute("#ui-language", "lang") == language:
                await visit.evaluate("document.getElementById('ui-language').click()")
            await visit.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            where = f"{language}, {theme}, {name}"
            found += await findings(visit, f"{where}, recording")
        await visit.finishes()
        for language, theme in product(("en", "zh"), ("light", "dark")):
            if await visit.get_attribute("#ui-language", "lang") == language:
                await visit.evaluate("document.getElementById('ui-language').click()")
            await visit.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            where = f"{language}, {theme}"
            found += await findings(visit, f"{where}, finished")
            await visit.evaluate("document.getElementById('open-settings').click()")
            found += await findings(visit, f"{where}, settings")
            await visit.keyboard.press("Escape")
            await visit.evaluate("document.getElementById('clear').click()")
            found += await findings(visit, f"{where}, notice")
            await visit.click("#notice button")
        await visit.evaluate("document.getElementById('captions').click()")
        found += await findings(visit, "captions")
    assert found == []


async def test_focus_is_not_lost_with_a_message(scripted, browse):
    """Whoever reads the page by ear or by keyboard would begin again at its top."""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        await visit.click("#clear")
        await visit.focus("#notice button:has-text('Dismiss')")
        await visit.keyboard.press("Enter")
        await visit.sees_no("#notice")
        assert await visit.evaluate("document.activeElement.id") == "scroller"


async def test_focus_is_not_lost_with_a_control_that_was_just_used(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 300)))
    focus = "document.activeElement.id"
    async with scripted() as daemon, browse(viewport={"width": 360, "height": 300}) as visit:
        await visit.goto(daemon.http)
        await visit.focus("#file")
        await visit.set_input_files("#file", path)
        await visit.is_in("uploading")
        assert await visit.evaluate(focus) == "scroller"
        await visit.is_in("idle")
        await visit.evaluate("document.getElementById('scroller').scrollTop = 0")
        await visit.wait_for_timeout(100)
        await visit.set_input_files("#file", path)
        await visit.focus("#to-end")
        await visit.keyboard.press("Enter")
        await visit.sees_no("#to-end")
        assert await visit.evaluate(focus) == "scroller"
        await visit.is_in("idle")
        for button in ("#clear", "#forget"):
            await visit.focus(button)
            await visit.keyboard.press("Enter")
            await visit.sees("#notice", "cleared")
            assert await visit.evaluate(focus) == "scroller", button
            await visit.click("#notice button:has-text('Undo')")
        await visit.click("#captions")
        await visit.focus("#captions-larger")
        for _ in range(5):
            await visit.keyboard.press("Space")
        assert await visit.evaluate(focus) == "captions-larger"
        assert await visit.get_attribute("body", "data-state") == "idle", "a press too many does not record"


async def test_focus_is_not_lost_with_the_recording_that_a_button_paused(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.focus("#pause")
        await visit.evaluate("given.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        await visit.is_in("idle")
        assert await visit.evaluate("document.activeElement.id") == "scroller"


async def test_the_percentage_of_a_file_is_not_read_aloud_at_each_step(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 300)))
    # What a screen reader says: changes of the status, but for what is marked not to be said.
    listen = """
    window.said = [];
    const tell = (changes) => {
      const silent = ({ target }) => (target.closest ? target : target.parentElement).closest("[aria-live=off]");
      if (!changes.every(silent)) said.push(document.getElementById("status").textContent);
    };
    addEventListener("DOMContentLoaded", () => {
      const all = { childList: true, characterData: true, subtree: true };
      new MutationObserver(tell).observe(document.getElementById("status"), all);
    });
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(listen)
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.sees("#status", re.compile(r"meeting\.wav: [1-9]\d* %"))
        await visit.is_in("idle")
        uploading = [text for text in await visit.evaluate("said") if "meeting.wav" in text]
        assert len(uploading) == 1, uploading


SMALL = """() => {
  const pressed = (control) => (control.matches("[type=file], [type=checkbox]") ? control.closest("label") : control);
  return [...document.querySelectorAll("button, select, input, textarea")]
    .map(pressed)
    .filter((control) => control.checkVisibility())
    .filter((control) => Math.min(control.offsetWidth, control.offsetHeight) < 44)
    .map((control) => `${control.id || control.textContent}: ${control.offsetWidth} x ${control.offsetHeight}`);
}"""


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("size", [(320, 568), (390, 844), (844, 390), (820, 1180)])
async def test_what_fingers_press_is_44_pixels_wide_and_high(size, language, scripted, browse):
    """WCAG 2.5.5."""
    width, height = size
    phone = {"viewport": {"width": width, "height": height}, "has_touch": True, "is_mobile": True, "locale": language}
    async with scripted() as daemon, browse(**phone) as visit:
        await visit.goto(daemon.http)
        assert await visit.evaluate(SMALL) == []
        await visit.click("#record")
        await visit.hears("two")
        assert await visit.evaluate(SMALL) == []
        await visit.finishes()
        await visit.evaluate("document.getElementById('to-end').hidden = false")
        assert await visit.evaluate(SMALL) == []
        assert await visit.evaluate("document.documentElement.scrollWidth") <= width
        paper, last = [await visit.locator(each).bounding_box() for each in (".paper", "#clear")]
        assert last["x"] + last["width"] <= paper["x"] + paper["width"]
        await visit.click("#open-settings")
        assert await visit.evaluate(SMALL) == []
        await visit.click("#cancel")
        await visit.click("#captions")
        await visit.evaluate("import('./page/notices.js').then(({ explain }) => explain('deaf', {}, [['dismiss']]))")
        assert await visit.evaluate(SMALL) == []


async def test_controls_can_be_told_apart_in_the_colours_of_the_system(scripted, browse):
    style = "([part, name]) => getComputedStyle(document.querySelector(part))[name]"
    async with scripted() as daemon, browse(forced_colors="active") as visit:
        await visit.goto(daemon.http)
        text = await visit.evaluate(style, ["#record", "color"])
        for button in ("#record", "#to-end", ".caption-bar .record"):
            assert await visit.evaluate(style, [button, "borderTopWidth"]) == "1px"
            assert await visit.evaluate(style, [button, "borderTopColor"]) == text, button
        assert await visit.evaluate(style, ["#language", "appearance"]) == "auto", "its arrow"
        ground, level = [await visit.evaluate(style, [part, "backgroundColor"]) for part in (".meter", "#meter")]
        assert level != ground


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
async def test_no_ring_grows_with_the_voice_for_who_wants_less_motion(motion, scripted, browse):
    ring = "getComputedStyle(document.getElementById('record'), '::before').transform"
    async with scripted() as daemon, browse(reduced_motion=motion) as visit:
        await visit.goto(daemon.http)
        await visit.evaluate("document.body.style.setProperty('--level', 1)")
        assert (await visit.evaluate(ring) == "none") == (motion == "reduce")
