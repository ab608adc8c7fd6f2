"""A real Chromium with a microphone that plays a file, and what tests do with the page in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wlkd.testing import RunningDaemon, running_daemon

CHROMIUM = Path("/usr/bin/chromium")
FAKE_DEVICE = "--use-fake-device-for-media-stream"
WAIT_MS = 60_000
SCRIPT = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no browser: install {CHROMIUM}")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(missing)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def says_script(found: list[str], at_least: int) -> bool:
    """Whether `found` is the script from its start on, said again and again."""
    return len(found) >= at_least and found == [SCRIPT[n % len(SCRIPT)] for n in range(len(found))]


@dataclass
class Visit:
    """Somebody who uses the page."""

    page: Any
    """Playwright's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    async def sees(self, selector: str, text: str | re.Pattern[str]) -> None:
        from playwright.async_api import expect

        await expect(self.page.locator(selector).first).to_contain_text(text, timeout=WAIT_MS)

    async def sees_no(self, selector: str) -> None:
        from playwright.async_api import expect

        await expect(self.page.locator(selector)).to_be_hidden(timeout=WAIT_MS)

    async def hears(self, word: str) -> None:
        """Wait until `word` stands in the committed lines."""
        await self.sees("#lines .line:last-child .text", word)

    async def is_in(self, state: str) -> None:
        from playwright.async_api import expect

        await expect(self.page.locator("body")).to_have_attribute("data-state", state, timeout=WAIT_MS)

    async def said(self) -> list[str]:
        """The committed words."""
        return words(" ".join(await self.page.locator("#lines .text").all_inner_texts()))

    async def remembers(self, settings: dict[str, str]) -> None:
        """Leave `settings` in the browser, as a visit of long ago."""
        await self.page.evaluate("kept => localStorage.setItem('wlkd.settings', JSON.stringify(kept))", settings)

    async def retries(self) -> None:
        """Press "Retry now", unless the page was quicker: it tries again by itself, and then the button is gone."""
        await self.page.evaluate("document.querySelector('#notice:not([hidden]) .notice-actions button')?.click()")

    async def finishes(self) -> list[str]:
        """Stop, and wait for the last word; all that was said."""
        await self.page.click("#record")
        await self.is_in("idle")
        return await self.said()


Browse = Callable[..., AbstractAsyncContextManager[Visit]]
Serve = Callable[..., AbstractAsyncContextManager[RunningDaemon]]


@pytest.fixture
def browse() -> Browse:
    """`async with browse() as visit:`: a page of a fresh browser that fails the test for any script error."""
    playwright_api = pytest.importorskip("playwright.async_api", reason="pip install playwright")

    @asynccontextmanager
    async def browse(
        *extra: str, wav: Path | None = None, device: bool = True, path: Path = CHROMIUM, **context: Any
    ) -> AsyncIterator[Visit]:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *extra]
        if device:
            arguments.append(FAKE_DEVICE)
        if wav is not None:
            arguments.append(f"--use-file-for-fake-audio-capture={wav}%noloop")
        problems: list[str] = []
        async with playwright_api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=str(path), args=arguments)
            options = {"permissions": ["microphone"], "locale": "en-US", **context}
            page = await (await browser.new_context(**options)).new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: message.type == "error" and problems.append(message.text))
            page.set_default_timeout(WAIT_MS)
            try:
                yield Visit(page)
            finally:
                await browser.close()
        # A refused connection is reported by the browser itself, whatever the page does about it.
        assert [problem for problem in problems if "WebSocket" not in problem and "Failed to load" not in problem] == []

    return browse


@pytest.fixture
def scripted() -> Serve:
    """`async with scripted(input="pcm") as daemon:`: it says `SCRIPT`, half a second a word, whatever it hears."""

    @asynccontextmanager
    async def scripted(core: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[RunningDaemon]:
        values = {"vad": {"name": "none"}, "transports": {"websocket": options}, **(core or {})}
        async with running_daemon(values) as daemon:
            yield daemon

    return scripted


@pytest.fixture
def script() -> Callable[[list[str], int], bool]:
    """Whether words are the script from its start on, and how many at least."""
    return says_script
