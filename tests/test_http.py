"""The shared HTTP server, in front of every transport."""

import asyncio
import gzip
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import wlkd.daemon.listeners
from tests.waiting import until
from wlkd.daemon.listeners import HttpServer
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
    ("method", "path", "status", "message"),
    [
        ("POST", "/audio/transcriptions", 404, "/audio/transcriptions is not here; /v1/audio/transcriptions is"),
        ("POST", "//v1/v1/listen", 404, "//v1/v1/listen is not here; /v1/listen is"),
        ("POST", "/v1/speak", 404, "/v1/speak is not here"),
        ("GET", "/a%0Ab", 404, "/a\\nb is not here"),
        ("GET", "/v1/audio/transcriptions", 405, "GET: this path takes POST"),
        ("PUT", "/v1/listen", 405, "PUT: this path takes GET, HEAD, POST"),
    ],
)
async def test_a_wrong_address_is_told_with_the_nearest_right_one(
    method: str, path: str, status: int, message: str
) -> None:
    async with (
        running_daemon({**VALUES, "transports": {"openai": {}, "deepgram": {}}}) as daemon,
        aiohttp.request(method, daemon.http + path) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["message"]) == (status, message)
        assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nA:", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_a_connection_without_a_request_is_closed(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wlkd.daemon.listeners, "IDLE_SECONDS", 0.2)
    async with running_daemon(VALUES) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(said)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200") == said.endswith(b"\r\n\r\n")


async def test_a_client_that_never_reads_does_not_keep_its_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wlkd.daemon.listeners, "UNREAD_SECONDS", 0.5)
    async with running_daemon(VALUES) as daemon:
        # So that it reads nothing ahead.
        _, writer = await asyncio.open_connection("127.0.0.1", daemon.port, limit=1)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000)

        def is_closed() -> bool:
            writer.write(b"\r\n")
            return writer.transport.is_closing()

        await until(is_closed)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_a_stream_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wlkd.daemon.listeners, "IDLE_SECONDS", 0.2)
    async with (
        running_daemon(VALUES) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/asr?format=pcm") as socket,
    ):
        await socket.receive_json()
        await asyncio.sleep(0.5)
        await socket.send_bytes(b"")
        while (await socket.receive_json(timeout=30))["type"] != "ready_to_stop":
            continue


@pytest.mark.parametrize(
    "said",
    [
        b"GET /asr?token=secret&hotwords=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /asr HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\x01\r\n\r\n",
        b"GET http://[a/asr?token=secret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /v1/listen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
        b"POST /v1/listen HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
        b"Content-Length: 6\r\n\r\nsecret",
    ],
    ids=["address", "header", "target", "chunk", "compressed"],
)
async def test_a_request_that_makes_no_sense_has_one_line_in_the_log(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running_daemon({**VALUES, "transports": {"deepgram": {}}}) as daemon:
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(said)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        told = caplog.text
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert "bad_request" in told
    assert "secret" not in told
    assert "Traceback" not in told


async def test_a_body_is_never_unpacked() -> None:
    # aiohttp would unpack the gigabytes of one that nobody reads without letting the event loop go on.
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    server, body = HttpServer("127.0.0.1", 0), gzip.compress(bytes(1000))
    server.app().router.add_post("/", echo)
    await server.start()
    host, port = server.addresses[0]
    headers = {"Content-Encoding": "gzip"}
    async with aiohttp.request("POST", f"http://{host}:{port}/", data=body, headers=headers) as answer:
        assert await answer.read() == body
    await server.close()


@pytest.mark.parametrize(("encoding", "refused"), [("gzip", True), ("Identity", False)])
async def test_a_body_that_is_compressed_is_refused_with_what_to_do(encoding: str, refused: bool) -> None:
    async with (
        running_daemon({**VALUES, "transports": {"deepgram": {}}}) as daemon,
        aiohttp.request(
            "POST",
            f"{daemon.http}/v1/listen?encoding=linear16&sample_rate=16000",
            data=gzip.compress(bytes(1000)),
            headers={"Content-Encoding": encoding},
            compress=False,
        ) as answer,
    ):
        said = await answer.json()
    assert (answer.status, "without Content-Encoding" in said.get("err_msg", "")) == (400 if refused else 200, refused)


async def test_an_expectation_that_is_no_text_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wlkd.daemon.listeners")
    async with running_daemon(VALUES) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: \xff\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
    assert [message for message in caplog.messages if "bad_request" in message]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 101), ("https://ours.example", 101), ("https://theirs.example", 403), ("null", 403)],
)
@pytest.mark.parametrize("path", ["/asr", "//asr"])
async def test_only_allowed_pages_connect(origin: str | None, status: int, path: str) -> None:
    values: dict[str, Any] = {**VALUES, "server": {"allowed_origins": ["https://ours.example"]}}
    headers = {} if origin is None else {"Origin": origin}
    async with running_daemon(values) as daemon, aiohttp.ClientSession() as http:
        try:
            async with http.ws_connect(daemon.ws + path, headers=headers):
                found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
            # The page may read by `fetch` why.
            assert error.headers is not None and error.headers["Access-Control-Allow-Origin"] == "*"
        assert found == status
        async with http.get(daemon.http, headers={"Origin": daemon.http}) as page:
            assert page.status == 200


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://localhost:7100", True),
        ("http://speech1:7100", True),
        ("http://192.0.2.7:7100", True),
        ("http://192.0.2.7", True),
        ("http://[2001:db8::7]:7100", True),
        ("http://[2001:db8::7]", True),
        ("https://speech.example", True),
        ("http://theirs.example:7100", False),
        ("http://theirs.example", False),
    ],
)
async def test_a_name_that_was_made_to_point_here_is_not_our_own(origin: str, own: bool) -> None:
    values = {**VALUES, "server": {"allowed_origins": ["https://ours.example"]}}
    headers = {"Origin": origin, "Host": origin.partition("://")[2]}
    async with running_daemon(values) as daemon, aiohttp.request("GET", daemon.http, headers=headers) as page:
        assert page.status == (200 if own else 403)


@pytest.mark.parametrize("turns", [2, 3])
async def test_who_was_just_let_in_is_served_when_the_doors_close(turns: int) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    server = HttpServer("127.0.0.1", 0)
    server.app().router.add_get("/", hello)
    await server.start()
    loop = asyncio.get_running_loop()
    with socket.create_connection(server.addresses[0]) as client:
        client.setblocking(False)
        # The loop accepts the connection in its first turn, and begins to serve it in the second.
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.stop_accepting()
        await loop.sock_sendall(client, b"GET / HTTP/1.0\r\n\r\n")
        assert (await asyncio.wait_for(loop.sock_recv(client, 4096), 5)).endswith(b"hello")
    await server.close()
