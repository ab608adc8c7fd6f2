"""What people do with the page on a good day: press the button, speak, read."""

from __future__ import annotations

import re

import pytest

PLACES = "fetch('asr').then((answer) => answer.status)"
"""426: a place is free."""


async def seconds(visit) -> int:
    """What the clock shows."""
    minutes, rest = (await visit.inner_text("#elapsed")).split(":")
    return 60 * int(minutes) + int(rest)


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


async def test_the_page_finds_a_websocket_that_is_elsewhere(scripted, browse, script):
    async with scripted(path="/speech/live") as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#language", "French")  # of its capabilities
        await visit.click("#record")
        await visit.hears("two")
        assert script(await visit.finishes(), 2)
