"""A real Chromium with a microphone that plays a file, and what tests do with the page in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from wlkd.testing import RunningDaemon, running_daemon

from .given import words

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
            # One event loop for all: that of the browser which they share.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


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

    async def until(self, condition: str) -> None:
        """Wait for an expression in JavaScript to be true. It is looked at with each frame that is drawn, so this also
        finds what is over soon; the other waits look once in a while."""
        # As a function: an expression is evaluated again at each look, which the page's own policy forbids after the
        # first one ('unsafe-eval'), so that it fails where the condition is not true at once.
        await self.page.wait_for_function(f"() => {condition}", timeout=WAIT_MS)

    async def opens(self, address: str) -> None:
        """Go there, and wait until the page has drawn what it had kept: later, it would draw over what a test shows."""
        await self.page.goto(address)
        await self.until("sessionStorage.getItem('wlkd.place') !== null")

    async def has_recorded(self, seconds: int) -> None:
        """Wait until the page's clock says so, or more: a busy machine does not look at each second."""
        clock = "document.getElementById('elapsed').textContent.split(':').reduce((sum, part) => 60 * sum + +part, 0)"
        await self.until(f"{clock} >= {seconds}")

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

    async def is_told(self, key: str, text: str) -> None:
        """Wait until what another tab kept as `key` has `text`. A browser tells its tabs a moment later, which is too
        quick for a person to notice, but not for a test."""
        await self.until(f"localStorage.getItem('wlkd.{key}')?.includes('{text}')")

    async def retries(self) -> None:
        """Press "Retry now", unless the page was quicker: it tries again by itself, and then the button is gone."""
        await self.page.evaluate("document.querySelector('#notice:not([hidden]) .notice-actions button')?.click()")

    async def finishes(self) -> list[str]:
        """Stop, and wait for the last word; all that was said."""
        await self.page.click("#record")
        await self.is_in("idle")
        return await self.said()


Browse = Callable[..., AbstractAsyncContextManager[Visit]]
Launch = Callable[..., Awaitable[Any]]
Serve = Callable[..., AbstractAsyncContextManager[RunningDaemon]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def launch() -> AsyncIterator[Launch]:
    """Starts a Chromium with further arguments."""
    playwright_api = pytest.importorskip("playwright.async_api", reason="pip install playwright")
    async with playwright_api.async_playwright() as playwright:

        async def launch(*further: str) -> Any:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *further]
            return await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)

        yield launch


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(launch: Launch) -> AsyncIterator[Any]:
    """The one of most tests: starting it costs as much as a test."""
    browser = await launch(FAKE_DEVICE)
    yield browser
    await browser.close()


@pytest.fixture
def browse(launch: Launch, chromium: Any) -> Browse:
    """`async with browse() as visit:`: a page of somebody new, which fails the test for any script error.

    What a Chromium cannot change once it runs (arguments, the recording that its microphone plays, no microphone at
    all) takes one of its own.
    """

    @asynccontextmanager
    async def browse(
        *arguments: str, wav: Path | None = None, device: bool = True, **options: Any
    ) -> AsyncIterator[Visit]:
        if wav is not None:
            arguments = (*arguments, f"--use-file-for-fake-audio-capture={wav}%noloop")
        shared = device and not arguments
        browser = chromium if shared else await launch(*arguments, *([FAKE_DEVICE] if device else []))
        problems: list[str] = []
        context = await browser.new_context(**{"permissions": ["microphone"], "locale": "en-US", **options})
        try:
            page = await context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: message.type == "error" and problems.append(message.text))
            page.set_default_timeout(WAIT_MS)
            yield Visit(page)
        finally:
            await context.close()
            if not shared:
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
