"""Names from Home Assistant's REST API, as its documentation has it; and being found by it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from wlkd_wyoming.discovery import MDNS_ADDRESS, SERVICE, keep, keep_announced
from wlkd_wyoming.home_assistant import MAX_NAMES, Names, names_in
from wlkd_wyoming.transport import Wyoming, WyomingOptions
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk
from wyoming.client import AsyncTcpClient
from zeroconf import NotRunningException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from tests.waiting import until
from wlkd import Code, ConfigError, ProvisionError, SessionError, StreamOffer
from wlkd.config import make_config
from wlkd.daemon.listeners import HttpServer
from wlkd.plugins import load_plugins
from wlkd.testing import MadeUpSessions, free_port, running_daemon

TOKEN = "abc.def-ghi"


def state(entity: str, name: str | None, changed: str = "2026-11-26T10:00:00+00:00") -> dict[str, Any]:
    """One element of the answer of `GET /api/states`."""
    attributes = {} if name is None else {"friendly_name": name}
    return {
        "entity_id": entity,
        "state": "on",
        "attributes": attributes,
        "last_changed": changed,
        "last_updated": changed,
    }


HOME = [
    state("sensor.cpu", "Processor use"),
    state("light.lamp", "Kitchen, lamp"),
    state("cover.left", "Left shutter", "2026-11-26T11:00:00+00:00"),
    state("light.nameless", None),
    state("switch.lamp", "Kitchen, lamp"),
]


class HomeAssistant:
    """The API that is asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked = asyncio.Event()
        self.heard: list[str | None] = []

    async def states(self, request: web.Request) -> web.Response:
        self.heard.append(request.headers.get("Authorization"))
        self.asked.set()
        if self.heard[-1] != f"Bearer {TOKEN}":
            return web.Response(status=401, text="401: Unauthorized")
        return web.json_response(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


@asynccontextmanager
async def at_home() -> AsyncIterator[tuple[HomeAssistant, str]]:
    home, port = HomeAssistant(), free_port()
    app = web.Application()
    app.router.add_get("/api/states", home.states)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield home, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def test_the_names_of_what_people_speak_to() -> None:
    assert list(names_in(HOME)) == ["Left shutter", "Kitchen  lamp"]
    many = [state(f"light.l{number}", f"Lamp {number}") for number in range(1_000)]
    assert 20 <= len(list(names_in(many))) <= MAX_NAMES
    assert len(list(names_in([state(f"light.l{number}", f"厨房的灯{number}") for number in range(1_000)]))) < 12
    with pytest.raises(ValueError, match="not a list of states"):
        list(names_in({"message": "API running."}))


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wlkd_wyoming")


async def test_names_are_asked_for_now_and_then_and_stay_when_there_is_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with at_home() as (home, url):
        home.answers = [HOME, {"message": "starting"}, [state("fan.attic", "Attic fan")]]
        names = Names(url + "/", TOKEN, 0.01)
        keeping = asyncio.create_task(names.keep())
        seen: list[tuple[str, ...]] = []
        async with asyncio.timeout(10):
            while ("Attic fan",) not in seen:
                await home.asked.wait()
                home.asked.clear()
                seen.append(names.current)
        keeping.cancel()
        assert ("Left shutter", "Kitchen  lamp") in seen
    assert "not a list of states" in caplog.text


@pytest.mark.parametrize("wrong", ["token", "address"])
async def test_what_does_not_answer_costs_a_line_in_the_journal(wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    async with at_home() as (home, url):
        home.answers = [HOME]
        if wrong == "address":
            url = f"http://127.0.0.1:{free_port()}"
        names = Names(url, "wrong", 0.01)
        keeping = asyncio.create_task(names.keep())
        await until(lambda: "no names from" in caplog.text)
        assert not keeping.done() and names.current == ()
        keeping.cancel()
    assert ("401" if wrong == "token" else "Cannot connect") in caplog.text


class Limited(MadeUpSessions):
    """A model that takes few words."""

    def open(self, offer: StreamOffer, *, query: dict[str, str] | None = None, **rest: Any) -> Any:
        if len((query or {}).get("hotwords", "")) > 40:
            raise SessionError(Code.BAD_REQUEST, "too many")
        return super().open(offer, query=query, **rest)


async def hotwords(sessions: MadeUpSessions, port: int, *named: str) -> str | None:
    """What a session is asked to expect for a request that names some words."""
    async with AsyncTcpClient("127.0.0.1", port, read_timeout=10) as client:
        await client.write_event(Transcribe(transcript_names=list(named) or None).event())
        await client.write_event(AudioChunk(16_000, 2, 1, bytes(320)).event())
        await until(lambda: bool(sessions.opened) and sessions.opened[0].heard.is_set())
    return sessions.opened.pop().query.get("hotwords")


async def test_requests_expect_the_names_unless_they_name_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    long = [state("light.l", "A lamp with a name that is much longer than the model takes")]
    sessions, port = Limited(), free_port()
    async with at_home() as (home, url), AsyncExitStack() as stack:
        home.answers = [HOME]
        transport = Wyoming(
            WyomingOptions(
                host="127.0.0.1", port=port, home_assistant_url=url, home_assistant_token_file=token_file
            ).model_copy(update={"home_assistant_refresh_seconds": 0.05})
        )
        http = HttpServer("127.0.0.1", free_port())
        stack.push_async_callback(transport.close)
        await transport.start(sessions, http)
        await until(lambda: "2 names from Home Assistant" in caplog.text)
        assert await hotwords(sessions, port) == "Left shutter,Kitchen  lamp"
        assert await hotwords(sessions, port, "Quilter") == "Quilter"
        home.answers = [long]
        while await hotwords(sessions, port) is not None:
            pass
    assert "are left out: too many" in caplog.text


async def test_both_or_neither_of_address_and_token(tmp_path: Path) -> None:
    transports = {"wyoming": {"home_assistant_url": "http://homeassistant.local:8123"}}
    with pytest.raises(ConfigError, match="needs home_assistant_token_file beside it"):
        async with running_daemon({"transports": transports}):
            pass
    options = WyomingOptions(
        port=free_port(), home_assistant_url="http://x", home_assistant_token_file=tmp_path / "absent"
    )
    transport = Wyoming(options)
    with pytest.raises(ProvisionError, match="home_assistant_token_file: cannot read"):
        await transport.start(MadeUpSessions(), HttpServer("127.0.0.1", free_port()))
    await transport.close()


def test_check_reads_the_token_s_file(tmp_path: Path) -> None:
    plugins, token_file = load_plugins(), tmp_path / "token"
    options = {"home_assistant_url": "http://x", "home_assistant_token_file": str(token_file)}
    values = {"vad": {"name": "none"}, "backend": {"name": "scripted"}, "transports": {"wyoming": options}}
    config = make_config(values, plugins)
    [problem] = plugins.check_host(config)
    assert problem.path == "transports.wyoming.home_assistant_token_file"
    assert problem.message.startswith(f"cannot read {token_file}: ")
    token_file.write_text(f"{TOKEN}\n")
    assert plugins.check_host(config) == []


async def test_home_assistant_finds_the_server_by_itself() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            group = socket.inet_aton(MDNS_ADDRESS) + socket.inet_aton("127.0.0.1")
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            probe.sendto(b"", (MDNS_ADDRESS, 5353))
        except OSError as error:
            pytest.skip(f"no multicast here: {error}")
    announcing = asyncio.create_task(keep_announced("upstairs", "127.0.0.1", 10300))
    looking = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        found = AsyncServiceInfo(SERVICE, f"upstairs.{SERVICE}")
        assert await found.async_request(looking.zeroconf, 8_000)
        assert (found.parsed_addresses(), found.port) == (["127.0.0.1"], 10300)
    finally:
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)
        await looking.async_close()


async def test_a_network_that_cannot_be_announced_on_costs_a_line_in_the_journal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    announcing = asyncio.create_task(keep_announced("upstairs", "192.0.2.1", 10300))
    await until(lambda: "will not find this server by itself" in caplog.text)
    assert not announcing.done()
    announcing.cancel()
    await asyncio.gather(announcing, return_exceptions=True)


async def test_a_network_that_comes_later_is_announced_on_then(caplog: pytest.LogCaptureFixture) -> None:
    mistakes: list[Exception] = [OSError("no route"), NotRunningException(), OSError("no route")]
    there = asyncio.Event()

    @asynccontextmanager
    async def announced() -> AsyncIterator[None]:
        if mistakes:
            raise mistakes.pop()
        there.set()
        try:
            yield
        finally:
            there.clear()

    with caplog.at_level(logging.INFO):
        announcing = asyncio.create_task(keep(announced, retry_seconds=0.001))
        async with asyncio.timeout(5):
            await there.wait()
    assert caplog.text.count("will not find this server by itself") == 1
    announcing.cancel()
    await asyncio.gather(announcing, return_exceptions=True)
    assert not there.is_set(), "it says goodbye"
