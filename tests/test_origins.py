"""Which web pages may use the server: asked as browsers ask, and by a browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from wlkd.testing import running_daemon

CHROMIUM = Path("/usr/bin/chromium")
PAGE = "https://ours.example"
VALUES: dict[str, Any] = {"vad": {"name": "none"}, "transports": {"websocket": {}, "openai": {}, "deepgram": {}}}


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/listen", "/health", "//v1/models", "/nowhere"])
@pytest.mark.parametrize("allowed", [[], [PAGE]])
async def test_a_browser_that_asks_beforehand_is_answered(path: str, allowed: list[str]) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }
    values = {**VALUES, "server": {"allowed_origins": allowed}}
    async with (
        running_daemon(values) as daemon,
        aiohttp.request("OPTIONS", daemon.http + path, headers=headers) as answer,
    ):
        assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-stainless-os"
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/health", "/v1/models/gpt-9", "/nowhere"])
async def test_every_answer_may_be_read_by_the_page_that_asked(path: str) -> None:
    async with running_daemon(VALUES) as daemon, aiohttp.ClientSession() as http:
        async with http.get(daemon.http + path, headers={"Origin": PAGE}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert {"Retry-After", "X-Audio-Notes"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
            assert answer.headers["Vary"] == "Origin"
        async with http.get(daemon.http + path) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_other_pages_get_neither_preflight_nor_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wlkd.daemon.origins")
    values = {**VALUES, "server": {"allowed_origins": [PAGE]}}
    headers = {"Origin": "https://theirs.example", "Access-Control-Request-Method": "POST"}
    async with running_daemon(values) as daemon, aiohttp.ClientSession() as http:
        for method in ("OPTIONS", "GET", "POST"):
            async with http.request(method, f"{daemon.http}/v1/models", headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (403, "forbidden_origin")
                assert "Access-Control-Allow-Headers" not in answer.headers
    assert len(caplog.messages) == 3, "the operator sees whom a wrong setting keeps out"
    assert all("https://theirs.example" in line and "server.allowed_origins" in line for line in caplog.messages)


async def test_an_origin_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wlkd.daemon.origins")
    origin = "http://a\x85wlkd.sessions.admission: session 1 closed: reason=finished\u2028\x9b31m\u202e"
    async with running_daemon({**VALUES, "server": {"allowed_origins": [PAGE]}}) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(f"GET /health HTTP/1.0\r\nHost: a\r\nOrigin: {origin}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert b" 403 " in await reader.readline()
        writer.close()
    [line] = caplog.messages
    assert line.isprintable()


SCRIPT = """async ([address, token]) => {
  const form = new FormData();
  form.append("file", new File([new Uint8Array(32000)], "a", {type: "audio/l16;rate=16000"}));
  const headers = {Authorization: "Bearer " + token, "X-Stainless-Lang": "js"};
  const answer = await fetch(address + "/v1/audio/transcriptions", {method: "POST", body: form, headers});
  const refused = await fetch(address + "/v1/models", {headers: {Authorization: "Bearer wrong"}});
  return [answer.status, (await answer.json()).text, refused.status, (await fetch(address + "/health")).status];
}"""


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no browser: install {CHROMIUM}")
@pytest.mark.parametrize("allowed", [True, False])
async def test_a_page_from_elsewhere_in_a_browser(allowed: bool, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.async_api", reason="pip install playwright")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    elsewhere = f"http://localhost:{runner.addresses[0][1]}"
    tokens = tmp_path / "tokens"
    tokens.write_text("sesame\n")
    origins = [elsewhere] if allowed else [PAGE]
    values = {**VALUES, "auth": {"tokens_file": str(tokens)}, "server": {"allowed_origins": origins}}
    try:
        async with running_daemon(values) as daemon, api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            tab = await browser.new_page()
            await tab.goto(elsewhere)
            if allowed:
                assert await tab.evaluate(SCRIPT, [daemon.http, "sesame"]) == [200, "one two", 401, 200]
            else:
                with pytest.raises(api.Error, match="Failed to fetch"):
                    await tab.evaluate(SCRIPT, [daemon.http, "sesame"])
            await browser.close()
    finally:
        await runner.cleanup()
