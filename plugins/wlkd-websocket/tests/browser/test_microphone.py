"""The page in a real Chromium: a microphone, or a screen's sound, that is refused, silent, paused or gone."""

from __future__ import annotations

from tests.wav import wav
from wlkd.contract.audio import SAMPLE_RATE

from .given import TELL_GIVEN

NOTICE = "#notice"


async def test_a_refused_microphone_is_explained(scripted, browse):
    async with scripted() as daemon, browse(permissions=[]) as visit:
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "The microphone is blocked")
        await visit.is_in("idle")
        await visit.page.context.grant_permissions(["microphone"])
        await visit.sees_no(NOTICE)


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


# As of a recorder that breaks once, at `place` in its source, after so many blocks of 128 samples.
BREAK_RECORDER = """
const load = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {
  const source = (await (await fetch(url)).text()).replace(place, `${place} if (heard++ === blocks) throw Error();`);
  const parts = [`let heard = 0; const blocks = ${blocks};`, source];
  await load.call(this, URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
};
"""


async def test_a_recorder_that_breaks_is_explained_and_what_it_heard_is_kept(scripted, browse, script):
    async with scripted() as daemon, browse(bypass_csp=True) as visit:
        await visit.add_init_script("const place = 'process(inputs) {', blocks = 800;" + BREAK_RECORDER)
        await visit.add_init_script(TELL_GIVEN)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "The recording has stopped")
        await visit.is_in("idle")
        await visit.until("given.getTracks().every((track) => track.readyState === 'ended')")
        assert script(await visit.said(), 4), "what was said in two seconds"
        await visit.click("#record")
        await visit.sees_no(NOTICE)
        await visit.sees("#lines .line:nth-child(2)", "two")
        await visit.finishes()


async def test_a_recorder_that_never_begins_ends_the_recording(scripted, browse):
    async with scripted() as daemon, browse(bypass_csp=True) as visit:
        await visit.add_init_script("const place = 'super();', blocks = 0;" + BREAK_RECORDER)
        await visit.goto(daemon.http)
        await visit.click("#record")
        await visit.sees(NOTICE, "The recording has stopped")
        await visit.is_in("idle")


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
