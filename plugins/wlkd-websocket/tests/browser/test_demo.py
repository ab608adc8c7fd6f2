"""docs/websocket-demo.html, opened from disk as its readers do."""

from __future__ import annotations

import re
from pathlib import Path

DEMO = Path(__file__).resolve().parents[4] / "docs" / "websocket-demo.html"


async def test_the_demo_works_from_disk_and_outlives_its_connection(scripted, browse, script, proxied):
    allowed = browse("--use-fake-ui-for-media-stream", permissions=[])
    async with scripted() as daemon, proxied(daemon) as proxy, allowed as visit:
        await visit.goto(DEMO.as_uri())
        await visit.fill("#address", f"{proxy.url.replace('http:', 'ws:')}asr")
        await visit.click("#start")
        await visit.sees("#lines", "four")
        proxy.cut()
        proxy.accepting = True
        await visit.sees("#lines", "ten")
        await visit.click("#stop")
        await visit.sees("#status", "Done")
        assert script(re.findall("[a-z]+", await visit.inner_text("#lines")), 10)
        await visit.fill("#address", "ws://127.0.0.1:9/asr")
        await visit.click("#start")
        await visit.sees("#status", "Stopped")


async def test_the_demo_speaks_chinese_to_a_chinese_browser(browse):
    async with browse(locale="zh-CN") as visit:
        await visit.goto(DEMO.as_uri())
        await visit.sees("#status", "就绪")
        assert await visit.inner_text("#start") == "开始"
        shown = await visit.inner_text("body")
        assert "API.zh.md" in shown
        assert "Start" not in shown
