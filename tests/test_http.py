"""The shared HTTP server, in front of every transport."""

from typing import Any

import aiohttp
import pytest

from wlkd.testing import running_daemon

VALUES = {"decoders": {"pcm": {}}, "vad": {"name": "none"}}


@pytest.mark.parametrize("path", ["/healthz", "//healthz", "///readyz", "/metrics", "//"])
async def test_repeated_slashes_count_as_one(path: str) -> None:
    async with running_daemon(VALUES) as daemon, aiohttp.request("GET", daemon.http + path) as answer:
        assert answer.status == 200


async def test_the_socket_is_found_behind_repeated_slashes() -> None:
    async with (
        running_daemon(VALUES) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}//asr?format=pcm") as socket,
    ):
        assert (await socket.receive_json())["type"] == "config"


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 101), ("https://ours.example", 101), ("https://theirs.example", 403), ("null", 403)],
)
async def test_only_allowed_pages_connect(origin: str | None, status: int) -> None:
    values: dict[str, Any] = {**VALUES, "server": {"allowed_origins": ["https://ours.example"]}}
    headers = {} if origin is None else {"Origin": origin}
    async with running_daemon(values) as daemon, aiohttp.ClientSession() as http:
        try:
            async with http.ws_connect(f"{daemon.ws}/asr", headers=headers):
                found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
        assert found == status
        async with http.get(daemon.http, headers={"Origin": daemon.http}) as page:
            assert page.status == 200
