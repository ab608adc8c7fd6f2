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

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.testing import running_daemon

NOTICE = "#notice"
# Tells when the page has loaded what it records with: neither the load event nor "networkidle" waits for that.
TELL_LOADED = """
const load = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {
  await load.call(this, url);
  window.loaded = true;
};
"""
# Tells what the browser has given the page to hear.
TELL_GIVEN = """
for (const name of ["getUserMedia", "getDisplayMedia"]) {
  const ask = MediaDevices.prototype[name];
  MediaDevices.prototype[name] = async function (...wish) {
    return (window.given = await ask.apply(this, wish));
  };
}
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
            await visit.is_in("waiting")
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
        await visit.sees("#elapsed", "0:04")
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


async def test_a_refused_microphone_is_explained(scripted, browse):
    async with scripted() as daemon, browse(permissions=[]) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "The microphone is blocked")
        await visit.is_in("idle")
        await visit.page.context.grant_permissions(["microphone"])
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


async def test_a_call_that_stops_the_phones_clock_does_not_end_the_recording(scripted, browse):
    keep = """
    const made = AudioContext;
    window.AudioContext = class extends made { constructor() { window.context = super(); } };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(keep)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.evaluate("context.suspend()")
        await visit.hears("six")
        await visit.finishes()
        await visit.until("context.state === 'suspended'")


async def test_a_recording_that_is_over_before_the_screen_is_kept_awake_lets_it_sleep(scripted, browse):
    late = """
    window.held = window.asked = 0;
    const answers = [];
    navigator.wakeLock.request = () => {
      asked++;
      return new Promise((resolve) => answers.push(resolve));
    };
    window.answer = () => {
      for (const resolve of answers.splice(0)) held++, resolve({ release: async () => held-- });
    };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(late)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        assert await visit.evaluate("asked") == 1
        await visit.finishes()
        await visit.evaluate("answer()")
        await visit.until("held === 0")


async def test_the_screen_may_sleep_while_a_recording_is_paused(scripted, browse):
    count = """
    window.held = 0;
    navigator.wakeLock.request = async () => (held++, { release: async () => held-- });
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(count)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("one")
        await visit.until("held === 1")
        await visit.click("#pause")
        await visit.is_in("paused")
        await visit.until("held === 0")
        await visit.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # somebody looks at it
        await visit.wait_for_timeout(100)
        assert await visit.evaluate("held") == 0
        await visit.click("#pause")
        await visit.is_in("recording")
        await visit.until("held === 1")
        await visit.finishes()
        await visit.until("held === 0")


async def does_not_start(visit):
    """The page says so, and the microphone that it was given is closed."""
    await visit.sees(NOTICE, "does not start recording")
    await visit.is_in("idle")
    await visit.until("given.getTracks().every((track) => track.readyState === 'ended')")


async def starts_when_asked_again(visit):
    await visit.click(f"{NOTICE} button")
    await visit.hears("two")
    await visit.finishes()


async def test_a_browser_that_refuses_to_start_recording_is_explained_and_asked_again(scripted, browse):
    refuse = """
    const made = AudioContext;
    window.AudioContext = class extends made {
      resume() {
        if (window.refused) return super.resume();
        window.refused = true;
        return this.close().then(() => super.resume());
      }
    };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(refuse)
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await does_not_start(visit)
        await starts_when_asked_again(visit)


# As of a browser that has closed its audio; `which` are the attempts that fail, from 0.
REFUSE_RECORDER = """
const made = AudioWorkletNode;
let attempts = 0;
window.AudioWorkletNode = class extends made {
  constructor(...all) {
    if (attempts++ === which) throw new DOMException("closed", "InvalidStateError");
    super(...all);
  }
};
"""


async def test_a_recorder_that_cannot_be_made_closes_the_microphone_and_is_asked_again(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script("window.which = 0;" + REFUSE_RECORDER)
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await does_not_start(visit)
        await starts_when_asked_again(visit)


async def test_sound_that_cannot_be_connected_closes_the_microphone(scripted, browse):
    """As in Firefox, where the microphone has another sample rate than the context."""
    refuse = """
    AudioContext.prototype.createMediaStreamSource = () => { throw new DOMException("rates", "NotSupportedError"); };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(refuse)
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await does_not_start(visit)


async def test_a_recorder_that_cannot_go_on_after_a_pause_ends_the_recording(scripted, browse, script):
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script("window.which = 1;" + REFUSE_RECORDER)
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.click("#pause")
        await visit.is_in("paused")
        await visit.click("#pause")
        await does_not_start(visit)
        assert script(await visit.said(), 2)
        await visit.click("#record")
        await visit.sees("#lines .line:nth-child(2)", "two")
        await visit.finishes()


async def test_a_browser_that_has_no_clock_to_give_is_explained_and_asked_again(scripted, browse):
    refuse = """
    const made = AudioContext;
    window.AudioContext = class extends made {
      constructor() {
        super();
        if (window.refused) return;
        window.refused = true;
        throw new DOMException("too many", "NotSupportedError");
      }
    };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(refuse)
        await visit.goto(daemon.http)
        await visit.sees(NOTICE, "does not start recording")
        await starts_when_asked_again(visit)


async def test_a_silent_microphone_is_explained_but_not_to_who_just_comes_back(scripted, browse, tmp_path):
    path = tmp_path / "silence.wav"
    path.write_bytes(wav(bytes(2 * SAMPLE_RATE * 60)))
    # As in a tab behind another one: nothing is drawn.
    behind = """
    const draw = requestAnimationFrame;
    let waiting = [];
    window.behind = false;
    window.requestAnimationFrame = (each) => (window.behind ? waiting.push(each) : draw(each));
    window.comeBack = () => { window.behind = false; waiting.forEach((each) => draw(each)); };
    """
    async with scripted() as daemon, browse(wav=path) as visit:
        await visit.add_init_script(behind)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.is_in("recording")
        await visit.evaluate("window.behind = true")
        await visit.wait_for_timeout(7_000)
        await visit.evaluate("comeBack()")
        await visit.wait_for_timeout(1_000)
        assert await visit.is_hidden(NOTICE)
        await visit.sees(NOTICE, "No sound from this microphone")


async def test_a_microphone_that_is_unplugged_is_explained_also_where_another_one_is_left(scripted, browse, script):
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.hears("two")
        await visit.evaluate("given.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        await visit.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
        await visit.is_in("idle")
        await visit.sees(NOTICE, "The microphone was disconnected")
        await visit.wait_for_timeout(500)
        assert await visit.is_visible(NOTICE)
        assert script(await visit.said(), 2)


async def test_who_stops_sharing_is_not_told_of_a_microphone(scripted, browse):
    # A canvas stands in for the picture of a tab, which a browser without a screen cannot share.
    share = """
    navigator.mediaDevices.getDisplayMedia = async () => {
      const given = await navigator.mediaDevices.getUserMedia({ audio: true });
      given.addTrack(document.createElement("canvas").captureStream().getVideoTracks()[0]);
      return (window.given = given);
    };
    """
    async with scripted() as daemon, browse() as visit:
        await visit.add_init_script(share)
        await visit.goto(daemon.http)
        await visit.select_option("#source", "shared")
        await visit.click("#record")
        await visit.hears("two")
        await visit.evaluate("given.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        await visit.is_in("idle")
        await visit.sees(NOTICE, "no longer shared")


async def test_a_missing_microphone_is_explained(scripted, browse):
    async with scripted() as daemon, browse(device=False) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "No microphone found")


async def test_plain_http_away_from_localhost_is_explained_at_once(scripted, browse):
    async with scripted() as daemon, browse("--host-resolver-rules=MAP wlkd.test 127.0.0.1", permissions=[]) as visit:
        await visit.goto(f"http://wlkd.test:{daemon.port}/")
        await visit.sees(NOTICE, "chrome://flags/#unsafely-treat-insecure-origin-as-secure")
        await visit.sees(NOTICE, f"http://wlkd.test:{daemon.port}")
