"""The page in a real Chromium: what people see on a bad day, and that nothing they said is lost."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.waiting import until_metric
from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.testing import running_daemon

from .given import TELL_GIVEN

NOTICE = "#notice"
# Tells when the page has loaded what it records with: neither the load event nor "networkidle" waits for that.
TELL_LOADED = """
const load = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {
  await load.call(this, url);
  window.loaded = true;
};
"""


async def spans(visit) -> list[tuple[float, float]]:
    """Start and end of what each connection heard, in seconds of the transcript."""
    await visit.until("localStorage.getItem('wlkd.transcript') !== null")
    return await visit.evaluate(
        "JSON.parse(localStorage.getItem('wlkd.transcript'))"
        ".map(({offset, words}) => [offset, offset + (words.at(-1)?.end ?? 0)])"
    )


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


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody vouches for, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", chain], check=True, capture_output=True)
    return chain, key


async def test_over_tls(certificate, scripted, browse, script):
    chain, key = certificate
    tls = {"server": {"tls_certificate": str(chain), "tls_key": str(key)}}
    async with scripted(tls) as daemon, browse(ignore_https_errors=True) as visit:
        await visit.goto(daemon.http.replace("http:", "https:"))
        await visit.click("#record")
        await visit.hears("two")
        assert script(await visit.finishes(), 2)


async def test_an_address_that_a_page_over_tls_may_not_use_is_explained(certificate, scripted, browse):
    chain, key = certificate
    tls = {"server": {"tls_certificate": str(chain), "tls_key": str(key)}}
    async with scripted(tls) as daemon, browse(ignore_https_errors=True) as visit:
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http.replace("http:", "https:"))
        await visit.click("#open-settings")
        await visit.fill("#server", "http://speech.test:7100")
        await visit.click("#settings .primary")
        await visit.click("#record")
        await visit.sees(NOTICE, "has to begin with wss://")
        await visit.is_in("idle")
        await visit.until("given.getTracks().every((track) => track.readyState === 'ended')")


async def test_a_full_server_keeps_what_is_said_and_counts_down(scripted, browse, script):
    async with scripted({"sessions": {"max_sessions": 1}}) as daemon, aiohttp.ClientSession() as http:
        other = await http.ws_connect(f"{daemon.ws}/asr")
        async with browse() as visit:
            await visit.goto(daemon.http)
            await visit.click("#record")
            await visit.sees(NOTICE, "The server is full")
            await visit.sees(NOTICE, "is being kept")
            await visit.sees(f"{NOTICE} .left", re.compile("^[1-7]$"))  # of 10
            await other.close()
            await visit.retries()
            await visit.sees_no(NOTICE)
            await visit.hears("six")
            assert script(await visit.finishes(), 6)


async def test_who_comes_back_to_a_full_server_goes_on_when_there_is_a_place(proxied, scripted, browse, script):
    sessions = {"max_sessions": 1, "resume_seconds": 0}
    async with (
        scripted({"sessions": sessions}) as daemon,
        proxied(daemon) as proxy,
        aiohttp.ClientSession() as http,
        browse() as visit,
    ):
        await visit.goto(proxy.url)
        await visit.click("#record")
        await visit.hears("four")
        proxy.cut()
        await visit.is_in("waiting")
        # As where the place that the balancer knew of has been given to somebody else.
        await until_metric(daemon.http, "wlkd_sessions_open", 0)
        other = await http.ws_connect(f"{daemon.ws}/asr")
        proxy.accepting = True
        await visit.retries()
        await visit.sees(NOTICE, "The server is full")
        await other.close()
        await visit.retries()
        await visit.hears("ten")
        assert script(await visit.finishes(), 10)
        assert len(await spans(visit)) == 1


async def test_a_token_is_asked_for_in_words(tmp_path, scripted, browse, script):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with scripted({"auth": {"tokens_file": str(tokens)}}) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "asks for an access token")
        await visit.sees("#token-problem", "asks for an access token")
        await visit.is_in("idle")
        assert await visit.evaluate("document.activeElement.id") == "token"
        await visit.keyboard.type("simsala")
        await visit.keyboard.press("Enter")
        await visit.click("#record")
        await visit.sees(NOTICE, "does not accept this access token")
        await visit.fill("#token", "sesame")
        await visit.keyboard.press("Enter")
        await visit.sees_no(NOTICE)
        await visit.click("#record")
        await visit.hears("one")
        assert script(await visit.finishes(), 1)


async def test_a_link_with_a_token_is_newer_than_what_the_browser_remembers(tmp_path, scripted, browse, script):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with scripted({"auth": {"tokens_file": str(tokens)}}) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.remembers({"token": "old"})
        await visit.goto(f"{daemon.http}/?token=sesame")
        await visit.click("#record")
        await visit.hears("one")
        assert script(await visit.finishes(), 1)


async def test_what_an_older_visit_chose_and_is_gone_gives_way(scripted, browse, script):
    """The microphone to the default one; a language that the model lacks to the server's choice."""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.remembers({"source": "unplugged", "language": "ja"})
        await visit.reload()
        await visit.sees("#language", "French")
        await visit.click("#record")
        await visit.hears("one")
        assert script(await visit.finishes(), 1)


async def test_a_file_that_is_not_audio_is_explained(scripted, browse, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not audio " * 1000)
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.sees(NOTICE, "The server refused")
        await visit.sees(NOTICE, "cannot decode")
        await visit.is_in("idle")


async def test_a_file_that_the_server_fails_on_is_sent_again_less_and_less_often(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 60)))
    core = {"backend": {"name": "scripted", "options": {"fail_on": " four"}}}
    async with scripted(core) as daemon, browse() as visit:
        times: list[float] = []
        visit.on("websocket", lambda socket: times.append(time.monotonic()))
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        while len(times) < 6:
            await visit.wait_for_timeout(100)
        waits = [after - before for before, after in pairwise(times)]
        assert waits[-1] > 2 * waits[0], waits
        await visit.click("#record")
        await visit.is_in("idle")


async def test_a_file_that_is_dropped_while_the_microphone_runs_is_not_opened_and_that_is_said(scripted, browse):
    drop = """() => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(32000)], "meeting.pcm"));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.evaluate(drop)
        await visit.sees(NOTICE, "meeting.pcm was not opened")
        assert len(await visit.finishes()) >= 1
        await visit.sees_no(NOTICE)


async def test_of_several_files_that_are_dropped_at_once_the_one_that_is_opened_is_named(scripted, browse):
    drop = """(bytes) => {
        const data = new DataTransfer();
        for (const name of ["one.wav", "two.wav"]) data.items.add(new File([new Uint8Array(bytes)], name));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.evaluate(drop, list(wav(bytes(32_000))))
        await visit.hears("two")
        await visit.is_in("idle")
        await visit.sees(NOTICE, "one.wav is the only one that was opened")


async def test_an_empty_file_is_explained(scripted, browse, tmp_path):
    path = tmp_path / "meeting.wav"
    path.touch()
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.set_input_files("#file", path)
        await visit.sees(NOTICE, "There is nothing in meeting.wav")
        await visit.click("#ui-language")
        await visit.sees(NOTICE, "meeting.wav 中没有任何内容")
        await visit.is_in("idle")


async def test_a_server_that_is_not_there_is_named(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#open-settings")
        await visit.fill("#server", "ws://127.0.0.1:9/asr")
        await visit.click("#settings .primary")
        await visit.click("#record")
        await visit.sees(NOTICE, "ws://127.0.0.1:9/asr does not answer")
        await visit.click("#record")
        await visit.is_in("finishing")
        await visit.click("#record")  # give up
        await visit.is_in("idle")
        await visit.sees_no(NOTICE)


async def test_a_server_that_hears_speech_and_writes_nothing_is_explained(scripted, browse, monkeypatch):
    monkeypatch.setattr("wlkd.sessions.deafness.SPEECH", SAMPLE_RATE // 2)
    core = {"backend": {"name": "scripted", "options": {"deaf": True}}}
    async with scripted(core) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "Somebody speaks, but no words are recognized")
        await visit.click(f"{NOTICE} button")
        await visit.sees_no(NOTICE)
        assert await visit.finishes() == []
