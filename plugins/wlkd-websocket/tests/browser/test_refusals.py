"""The server or the browser refuses, or no words come: the page says why and what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.waiting import until_metric
from wlkd.contract.audio import SAMPLE_RATE

from .given import NOTICE, TELL_GIVEN, spans


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
