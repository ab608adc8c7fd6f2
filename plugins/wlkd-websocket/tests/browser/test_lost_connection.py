"""The network fails or the server restarts: nothing that was said is lost."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from wlkd.testing import running_daemon

from .given import NOTICE, spans

# Tells when the page has loaded what it records with: neither the load event nor "networkidle" waits for that.
TELL_LOADED = """
const load = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {
  await load.call(this, url);
  window.loaded = true;
};
"""


def no_gap(found: list[list[float]]) -> bool:
    """Whether each connection begins where the words of the one before end, or earlier."""
    return all(after[0] <= before[1] + 0.001 for before, after in pairwise(found))


async def test_a_lost_connection_below_a_prefix_goes_on(proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("four")
        proxy.cut()
        await visit.sees(NOTICE, "Connection lost")
        await visit.is_in("waiting")
        before = await visit.said()
        proxy.accepting = True
        await visit.retries()
        await visit.is_in("recording")
        await visit.hears("ten")
        await visit.sees_no(NOTICE)
        after = await visit.finishes()
        assert script(after, 10) and after[: len(before)] == before
        assert len(await spans(visit)) == 1


async def test_a_lost_connection_to_a_server_that_cannot_resume_loses_nothing(proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon, resumable=False) as proxy, browse() as visit:
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("four")
        proxy.cut()
        await visit.sees(NOTICE, "Connection lost")
        before = await visit.said()
        assert script(before, 4)
        proxy.accepting = True
        await visit.retries()
        await visit.sees("#lines .line:nth-child(2)", "one two")
        await visit.sees_no(NOTICE)
        after = await visit.finishes()
        assert after[: len(before)] == before
        found = await spans(visit)
        assert len(found) == 2 and no_gap(found)


async def test_a_restart_of_the_server_loses_nothing(scripted, browse, script):
    asked = []
    async with browse() as visit:
        visit.on("websocket", lambda socket: asked.append(parse_qs(urlsplit(socket.url).query)["resume"][0]))
        async with scripted() as daemon:
            await visit.goto(daemon.http)
            await visit.click("#record")
            await visit.hears("four")
        # Stopped, as by `systemctl restart`: what is said now is kept.
        await visit.is_in("waiting")
        before = await visit.said()
        values = {"vad": {"name": "none"}, "server": {"port": daemon.port}, "transports": {"websocket": {}}}
        async with running_daemon(values):
            await visit.retries()
            await visit.is_in("recording")
            await visit.hears("ten")
            after = await visit.finishes()
        assert after[: len(before)] == before
        assert no_gap(await spans(visit))
    assert asked[0] == "true" and asked[-2:] == ["continue", "true"], "it has another key, and is asked once"


# The titles of all messages, also of those that are shown for a moment.
TELL_TITLES = """
window.titles = new Set();
addEventListener("DOMContentLoaded", () => {
  const notice = document.getElementById("notice");
  const look = () => notice.querySelector("strong") && titles.add(notice.querySelector("strong").textContent);
  new MutationObserver(look).observe(notice, { childList: true });
});
"""


async def test_what_is_tried_again_at_once_is_not_explained(scripted, browse):
    async with browse() as visit:
        await visit.add_init_script(TELL_TITLES)
        async with scripted() as daemon:
            await visit.goto(daemon.http)
            await visit.click("#record")
            await visit.hears("two")
        await visit.sees(NOTICE, "Connection lost")
        async with running_daemon(
            {"vad": {"name": "none"}, "server": {"port": daemon.port}, "transports": {"websocket": {}}}
        ):
            await visit.retries()
            await visit.is_in("recording")
            await visit.finishes()
        titles = await visit.evaluate("[...titles]")
    assert "Connection lost" in titles and "The server had to end this connection" not in titles


async def test_a_server_that_is_back_and_cannot_resume_is_asked_anew_at_once(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        waits = await visit.evaluate(
            """async () => {
                const { trouble } = await import("./page/trouble.js");
                const seconds = (code, attempts) => trouble({ code, message: "" }, attempts, true).seconds;
                return [0, 3].map((attempts) => [seconds("cannot_resume", attempts), seconds("moving", attempts)]);
            }"""
        )
    assert waits[0] == [0, 0]
    assert waits[1][0] == 0
    assert waits[1][1] > 0, "one that moves its clients may be the only one there is"


async def finished_again(visit, proxy, word):
    """The text after the network is back, and `word` was heard."""
    proxy.cut()
    proxy.accepting = True
    await visit.clock.run_for(1_000)
    await visit.hears(word)
    return await visit.finishes()


async def test_a_connection_that_dies_silently_is_noticed(proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.clock.install()
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("two")
        proxy.mute()
        await visit.clock.run_for(20_000)
        await visit.sees(NOTICE, "Connection lost")
        assert script(await finished_again(visit, proxy, "six"), 6)


async def test_a_network_that_dies_before_the_server_has_answered_is_noticed(proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.clock.install()
        await visit.goto(proxy.url)
        proxy.mute()
        await visit.click("#record")
        await visit.is_in("connecting")
        await visit.clock.run_for(30_000)
        await visit.sees(NOTICE, "does not answer")
        assert script(await finished_again(visit, proxy, "two"), 2)


@pytest.mark.parametrize("sign", ["button", "online"])
async def test_an_attempt_without_an_answer_gives_way_to_the_next(sign, proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("two")
        proxy.cut()
        await visit.sees(NOTICE, "Connection lost")
        async with visit.expect_event("websocket"):
            proxy.mute()
            proxy.accepting = True
        await visit.wait_for_timeout(500)
        proxy.unmute()
        started = time.monotonic()
        if sign == "online":
            await visit.evaluate("dispatchEvent(new Event('online'))")
        else:
            await visit.click(f"{NOTICE} button")
        await visit.hears("six")
        assert time.monotonic() - started < 10, "it gives up by itself after 15 s"
        assert script(await visit.finishes(), 6)


async def test_a_connection_that_was_given_up_and_comes_late_costs_nothing(scripted, browse, script):
    told = []
    async with scripted() as daemon, browse() as visit, aiohttp.ClientSession() as http:
        visit.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(frame)))
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        continuation = next(found for frame in told[::-1] if (found := json.loads(frame).get("continuation")))
        # As a network delivers it that held up what the page sent before it tried again.
        async with http.ws_connect(f"{daemon.ws}/asr?resume=continue") as late:
            await late.send_json({"type": "resume", "continuation": continuation})
            await visit.until("document.body.dataset.state === 'waiting'")
        await visit.hears("six")
        assert script(await visit.finishes(), 6)
        assert len(await spans(visit)) == 1


async def test_the_space_bar_retries_again_and_again(proxied, scripted, browse, script):
    """And each attempt in vain says nothing new: it is not read aloud."""
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("two")
        proxy.cut()
        await visit.sees(NOTICE, "Connection lost")
        await visit.evaluate("window.text = document.querySelector('#notice strong')")
        await visit.focus(f"{NOTICE} button")
        for _ in range(2):
            await visit.keyboard.press("Space")
            await visit.wait_for_timeout(500)
        assert await visit.get_attribute("body", "data-state") == "waiting"
        assert await visit.evaluate("document.contains(window.text)")
        proxy.accepting = True
        await visit.keyboard.press("Space")
        await visit.hears("six")
        assert script(await visit.finishes(), 6)


async def test_what_is_said_before_the_server_answers_is_kept(proxied, scripted, browse, script):
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.add_init_script(TELL_LOADED)
        await visit.goto(proxy.url)
        await visit.until("window.loaded")
        proxy.cut()
        await visit.click("#record")
        await visit.sees(NOTICE, "does not answer")
        await visit.has_recorded(4)
        await visit.click("#record")  # stopped: it is still owed
        await visit.is_in("finishing")
        proxy.accepting = True
        await visit.retries()
        await visit.is_in("idle")
        assert script(await visit.said(), 8)


async def test_who_gives_up_while_the_server_is_silent_hears_no_more_of_it(proxied, scripted, browse):
    """Also where the page is just asking why it was refused."""
    async with scripted() as daemon, proxied(daemon) as proxy, browse() as visit:
        await visit.add_init_script(TELL_LOADED)
        await visit.goto(proxy.url)
        await visit.until("window.loaded")
        proxy.cut()
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def answer_late(route):
            asked.set()
            await go_on.wait()
            await route.abort()

        await visit.route("**/asr?*", answer_late)
        await visit.click("#record")
        await asked.wait()
        await visit.click("#record")
        await visit.is_in("finishing")
        await visit.click("#record")  # give up
        await visit.is_in("idle")
        proxy.accepting = True
        go_on.set()
        await visit.wait_for_timeout(3_000)
        await visit.sees_no(NOTICE)
        assert await visit.said() == []
