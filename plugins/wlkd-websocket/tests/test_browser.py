"""The page and the demo in a real Chromium with a microphone that plays a file."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from wlkd.testing import RunningDaemon, running_daemon

playwright_api = pytest.importorskip("playwright.async_api", reason="pip install playwright")
Page, async_playwright, expect = playwright_api.Page, playwright_api.async_playwright, playwright_api.expect

CHROMIUM = Path("/usr/bin/chromium")
DOCS = Path(__file__).resolve().parents[3] / "docs"
FAKE_DEVICE = "--use-fake-device-for-media-stream"
WAIT_MS = 60_000
SCRIPT = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no browser: install {CHROMIUM}"),
]


@asynccontextmanager
async def chromium(*extra: str, wav: Path | None = None, device: bool = True, **context: Any) -> AsyncIterator[Page]:
    """A page of a fresh browser that fails the test for any script error or console error."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *extra]
    if device:
        arguments.append(FAKE_DEVICE)
    if wav is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={wav}%noloop")
    problems: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        options = {"permissions": ["microphone"], "locale": "en-US", **context}
        page = await (await browser.new_context(**options)).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        page.set_default_timeout(WAIT_MS)
        try:
            yield page
        finally:
            await browser.close()
    # A refused connection is reported by the browser itself, whatever the page does about it.
    assert [problem for problem in problems if "WebSocket" not in problem and "Failed to load" not in problem] == []


@asynccontextmanager
async def scripted(core: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
    values = {"vad": {"name": "none"}, "transports": {"websocket": options}, **(core or {})}
    async with running_daemon(values) as daemon:
        yield daemon


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


async def shown_words(page: Page) -> list[str]:
    return words(" ".join(await page.locator("#lines .text").all_inner_texts()))


async def hear(page: Page, word: str) -> None:
    """Wait until `word` stands in the committed lines."""
    await expect(page.locator("#lines .text", has_text=word).first).to_be_visible(timeout=WAIT_MS)


async def state(page: Page, name: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", name, timeout=WAIT_MS)


async def remember(page: Page, settings: dict[str, str]) -> None:
    """Leave `settings` in the browser, as a visit of long ago."""
    await page.evaluate("kept => localStorage.setItem('wlkd.settings', JSON.stringify(kept))", settings)


async def retry(page: Page) -> None:
    """Press "Retry now", unless the page was quicker: it tries again by itself, and then the button is gone."""
    await page.evaluate("document.querySelector('#notice:not([hidden]) button')?.click()")


async def finish(page: Page) -> list[str]:
    await page.click("#record")
    await state(page, "idle")
    return await shown_words(page)


def says_script(found: list[str], at_least: int) -> bool:
    """Whether `found` is the script from its start on, said again and again."""
    return len(found) >= at_least and found == [SCRIPT[n % len(SCRIPT)] for n in range(len(found))]


@pytest.mark.parametrize("kind", ["container", "pcm"])
async def test_press_speak_and_read(kind):
    async with scripted(input=kind) as daemon, chromium() as page:
        await page.goto(daemon.http)
        await expect(page.locator("#empty")).to_contain_text("Press the button")
        await page.click("#record")
        await state(page, "recording")
        await expect(page.locator("#tail")).not_to_be_empty()
        await hear(page, "four")
        assert says_script(await finish(page), 4)
        await expect(page.locator("#tail")).to_be_empty()
        await expect(page.locator("#notice")).to_be_hidden()


async def test_everything_comes_from_the_server_itself():
    async with scripted() as daemon, chromium() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        await page.goto(daemon.http)
        await page.click("#record")
        await hear(page, "one")
        await finish(page)
        assert {re.sub(r"^\w+://", "", url).split("/")[0] for url in asked} == {f"127.0.0.1:{daemon.port}"}
        assert any(url.startswith(f"{daemon.ws}/asr?") for url in asked)


async def test_a_second_recording_goes_on_below_the_first():
    async with scripted() as daemon, chromium() as page:
        await page.goto(daemon.http)
        await page.click("#record")
        await hear(page, "two")
        first = await finish(page)
        await page.click("#record")
        await expect(page.locator("#lines .line")).to_have_count(2)
        await hear(page, "two")
        both = await finish(page)
        assert both[: len(first)] == first and says_script(both[len(first) :], 1)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.click("#clear")
        assert await shown_words(page) == []


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def test_downloads_and_copy():
    async with scripted() as daemon, chromium(permissions=["microphone", "clipboard-read", "clipboard-write"]) as page:
        await page.goto(daemon.http)
        await expect(page.locator("#save-srt")).to_be_disabled()
        await page.click("#record")
        await hear(page, "four")
        said = await finish(page)
        saved = {}
        for kind in ("txt", "srt", "vtt"):
            async with page.expect_download() as download:
                await page.click(f"#save-{kind}")
            file = await download.value
            assert file.suggested_filename.endswith(f".{kind}")
            saved[kind] = read(await file.path())
        assert words(saved["txt"]) == said
        assert re.match(r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\none two", saved["srt"])
        assert re.match(r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\none two", saved["vtt"])
        assert words(re.sub(r"^\d.*$", "", saved["srt"], flags=re.M)) == said
        await page.click("#copy")
        await expect(page.locator("#copy")).to_have_text("Copied")
        assert words(await page.evaluate("navigator.clipboard.readText()")) == said


async def test_keyboard_alone():
    async with scripted() as daemon, chromium() as page:
        await page.goto(daemon.http)
        await page.keyboard.press("Space")
        await hear(page, "one")
        await page.keyboard.press("Space")
        await state(page, "idle")
        await page.locator("#record").focus()
        await page.keyboard.press("Enter")
        await state(page, "recording")
        await page.keyboard.press("Space")  # on the button: pressed once, not twice
        await state(page, "idle")


async def test_chinese_page_and_dark_theme():
    async with scripted() as daemon, chromium(locale="zh-CN", color_scheme="dark") as page:
        await page.goto(daemon.http)
        await expect(page.locator("#status")).to_have_text("就绪")
        assert await page.get_attribute("html", "lang") == "zh-CN"
        await expect(page.locator("#language")).to_contain_text("日语")
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await page.evaluate(ground)
        await page.click("#theme")
        assert await page.evaluate(ground) != dark
        await page.click("#ui-language")
        await expect(page.locator("#status")).to_have_text("Ready")
        await page.reload()
        await expect(page.locator("#status")).to_have_text("Ready")
        assert await page.evaluate(ground) != dark


async def test_wishes_go_into_the_address():
    async with scripted() as daemon, chromium() as page:
        urls: list[str] = []
        page.on("websocket", lambda socket: urls.append(socket.url))
        await page.goto(daemon.http)
        await page.select_option("#language", "zh")
        await page.click("#open-settings")
        await page.fill("#hotwords", "Shelley, AlignAtt")
        await page.check("#translate")
        await page.keyboard.press("Enter")
        await page.click("#record")
        await hear(page, "one")
        await finish(page)
        assert urls == [f"{daemon.ws}/asr?language=zh&hotwords=Shelley%2C+AlignAtt&task=translate"]


async def test_a_language_that_the_model_lacks_is_explained():
    async with scripted() as daemon, chromium() as page:
        await page.goto(daemon.http)
        await page.select_option("#language", "ja")
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("The server refused")
        await expect(page.locator("#notice")).to_contain_text("ja")
        await state(page, "idle")


# Trouble ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["container", "pcm"])
async def test_a_lost_connection_below_a_prefix_loses_no_text(kind, proxied):
    async with scripted(input=kind) as daemon, proxied(daemon) as proxy, chromium() as page:
        await page.goto(proxy.url)
        await page.click("#record")
        await hear(page, "four")
        proxy.cut()
        await expect(page.locator("#notice")).to_contain_text("Connection lost")
        await state(page, "waiting")
        before = await shown_words(page)
        assert says_script(before, 4)
        proxy.accepting = True
        await retry(page)
        await state(page, "recording")
        await expect(page.locator("#notice")).to_be_hidden()
        later = page.locator("#lines .line:last-child .text")
        await expect(later).to_contain_text("one two", timeout=WAIT_MS)
        after = await finish(page)
        assert after[: len(before)] == before
        starts = [int(m) * 60 + int(s) for m, s in re.findall(r"(\d+):(\d\d)", await page.inner_text("#lines"))]
        assert starts == sorted(starts)


async def test_what_is_said_before_the_server_answers_is_kept(proxied):
    async with scripted() as daemon, proxied(daemon) as proxy, chromium() as page:
        await page.goto(proxy.url)
        proxy.cut()
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("does not answer")
        await expect(page.locator("#elapsed")).to_have_text("0:04", timeout=WAIT_MS)
        proxy.accepting = True
        await retry(page)
        await state(page, "recording")
        assert says_script(await finish(page), 8)


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


async def test_over_tls(certificate):
    chain, key = certificate
    tls = {"server": {"tls_certificate": str(chain), "tls_key": str(key)}}
    async with scripted(tls) as daemon, chromium(ignore_https_errors=True) as page:
        await page.goto(daemon.http.replace("http:", "https:"))
        await page.click("#record")
        await hear(page, "two")
        assert says_script(await finish(page), 2)


async def test_a_full_server_is_explained_and_waited_for():
    async with scripted({"sessions": {"max_sessions": 1}}) as daemon, aiohttp.ClientSession() as http:
        other = await http.ws_connect(f"{daemon.ws}/asr")
        async with chromium() as page:
            await page.goto(daemon.http)
            await page.click("#record")
            await expect(page.locator("#notice")).to_contain_text("The server is full")
            await other.close()
            await retry(page)
            await hear(page, "one")
            await expect(page.locator("#notice")).to_be_hidden()
            await finish(page)


async def test_a_token_is_asked_for_in_words(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with scripted({"auth": {"tokens_file": str(tokens)}}) as daemon, chromium() as page:
        await page.goto(daemon.http)
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("access token")
        await state(page, "idle")
        await page.click("#notice button")
        await page.fill("#token", "sesame")
        await page.keyboard.press("Enter")
        await page.click("#record")
        await hear(page, "one")
        assert says_script(await finish(page), 1)


async def test_a_link_with_a_token_is_newer_than_what_the_browser_remembers(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    async with scripted({"auth": {"tokens_file": str(tokens)}}) as daemon, chromium() as page:
        await page.goto(daemon.http)
        await remember(page, {"token": "old"})
        await page.goto(f"{daemon.http}/?token=sesame")
        await page.click("#record")
        await hear(page, "one")
        assert says_script(await finish(page), 1)


async def test_a_microphone_that_is_gone_gives_way_to_the_default_one():
    async with scripted() as daemon, chromium() as page:
        await page.goto(daemon.http)
        await remember(page, {"microphone": "unplugged"})
        await page.reload()
        await page.click("#record")
        await hear(page, "one")
        assert says_script(await finish(page), 1)


async def test_a_server_that_is_not_there_is_named():
    async with scripted() as daemon, chromium() as page:
        await page.goto(daemon.http)
        await page.click("#open-settings")
        await page.fill("#server", "ws://127.0.0.1:9/asr")
        await page.keyboard.press("Enter")
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("ws://127.0.0.1:9/asr does not answer")
        await page.click("#record")
        await state(page, "idle")


async def test_a_refused_microphone_is_explained():
    async with scripted() as daemon, chromium(permissions=[]) as page:
        await page.goto(daemon.http)
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("The microphone is blocked")
        await state(page, "idle")


async def test_a_missing_microphone_is_explained():
    async with scripted() as daemon, chromium(device=False) as page:
        await page.goto(daemon.http)
        await page.click("#record")
        await expect(page.locator("#notice")).to_contain_text("No microphone found")


async def test_plain_http_away_from_localhost_is_explained_at_once():
    async with scripted() as daemon, chromium("--host-resolver-rules=MAP wlkd.test 127.0.0.1", permissions=[]) as page:
        await page.goto(f"http://wlkd.test:{daemon.port}/")
        notice = page.locator("#notice")
        await expect(notice).to_contain_text("chrome://flags/#unsafely-treat-insecure-origin-as-secure")
        await expect(notice).to_contain_text(f"http://wlkd.test:{daemon.port}")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
async def test_nothing_overflows_at_any_width(width):
    async with scripted() as daemon, chromium(viewport={"width": width, "height": 700}) as page:
        await page.goto(daemon.http)
        await expect(page.locator("#status")).to_have_text("Ready")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        box = await page.locator("#record").bounding_box()
        assert box["x"] >= 0 and box["y"] + box["height"] <= 700


# The demo --------------------------------------------------------------------------------------------------


async def test_the_demo_works_from_disk():
    async with scripted() as daemon, chromium("--use-fake-ui-for-media-stream", permissions=[]) as page:
        await page.goto((DOCS / "websocket-demo.html").as_uri())
        await page.fill("#address", f"{daemon.ws}/asr")
        await page.click("#start")
        await expect(page.locator("#lines")).to_contain_text("four", timeout=WAIT_MS)
        await page.click("#stop")
        await expect(page.locator("#status")).to_have_text("Done")
        assert says_script(words(await page.inner_text("#lines")), 4)
        await page.fill("#address", "ws://127.0.0.1:9/asr")
        await page.click("#start")
        await expect(page.locator("#status")).to_contain_text("Stopped")


# With the real model ---------------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.parametrize("kind", ["container", "pcm"])
async def test_the_words_on_the_page_are_the_words_spoken(kind, models_dir, speech_dir, tmp_path):
    np = pytest.importorskip("numpy")
    soundfile = pytest.importorskip("soundfile", reason="pip install wlkd-bench")
    jiwer = pytest.importorskip("jiwer", reason="pip install wlkd-bench")
    manifest = [json.loads(line) for line in (speech_dir / "manifest.jsonl").read_text().splitlines()]
    clip = next(c for c in manifest if c["set"] == "en_librispeech_test_clean" and 9 < c["seconds"] < 12)
    samples, rate = soundfile.read(speech_dir / clip["path"], dtype="float32")
    wav = tmp_path / "microphone.wav"
    quiet = np.zeros(2 * rate, dtype="float32")
    soundfile.write(wav, np.concatenate([samples, quiet]), rate, subtype="PCM_16")
    values = {
        "models_dir": str(models_dir),
        "backend": {"name": "simulstreaming", "options": {"model": "base", "device": "cpu"}},
        "transports": {"websocket": {"input": kind}},
        "warmup": True,
    }
    async with running_daemon(values) as daemon, chromium(wav=wav) as page:
        await page.goto(daemon.http)
        await page.click("#record")
        # The clip plays once, in real time; stopping delivers what is not yet committed.
        played = f"0:{round(clip['seconds']) + 1:02}"
        await expect(page.locator("#elapsed")).to_have_text(played, timeout=WAIT_MS)
        assert await shown_words(page), "nothing was shown while the clip was playing"
        found = await finish(page)
    assert jiwer.wer(" ".join(words(clip["text"])), " ".join(found)) <= 0.15
