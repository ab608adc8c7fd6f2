"""Captions in big letters."""

from __future__ import annotations

import pytest


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
