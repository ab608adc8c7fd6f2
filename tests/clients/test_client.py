import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from wlkd.client import ClientError, LiveAudio, Lost, Refused, Transcript, connect, connect_resuming
from wlkd.contract.audio import samples
from wlkd.contract.types import Line, Word


async def converse(url, *, pcm=True, wishes=None, audio=(b"\0" * 8000,)):
    async with connect(url, pcm=pcm, wishes=wishes) as stream:
        for data in audio:
            await stream.send(data)
        await stream.end_audio()
        return [update async for update in stream.updates()]


async def test_updates_until_ready_to_stop(fake_asr):
    async with fake_asr(script=[(0.25, " one", " two")], rest=" one two.") as server:
        updates = await converse(server.url, wishes={"language": "de", "token": "t"})
    assert [update.committed for update in updates] == [" one", " one two."]
    assert [update.tentative for update in updates] == [" two", ""]
    assert updates[0].lines[0].end == samples(1.0)
    assert server.queries == [{"format": "pcm", "language": "de", "token": "t"}]


async def test_empty_pieces_do_not_end_the_audio(fake_asr):
    async with fake_asr() as server:
        await converse(server.url, audio=(b"", b"\0\0", b""))
    assert (server.heard, server.ended) == ([b"\0\0"], 1)


@pytest.mark.parametrize("status", [503, 429])
async def test_a_full_server_or_a_proxy_that_slows_clients_down_says_when_to_come_back(fake_asr, status):
    async with fake_asr(status=status) as server:
        with pytest.raises(Refused, match=f"HTTP {status}") as refused:
            await converse(server.url)
    assert refused.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, ClientError, "asks for a valid token .*WLKD_TOKEN"),
        (403, ClientError, "answered HTTP 403 Forbidden$"),
        (404, ClientError, "is not a WebSocket"),
        (502, Lost, "answered HTTP 502 Bad Gateway$"),
        (599, Lost, "answered HTTP 599$"),
    ],
)
async def test_what_the_status_of_a_refusal_means(fake_asr, status, kind, message):
    async with fake_asr(status=status) as server:
        with pytest.raises(ClientError, match=message) as refused:
            await converse(server.url)
    assert refused.type is kind


@pytest.mark.parametrize(
    ("wishes", "pcm", "message"),
    [
        ({"pcm": False}, True, "takes no raw PCM"),
        ({"pcm": True}, False, "takes raw PCM only"),
        ({"config": {"type": "hello"}}, True, "not a config message"),
        ({"config": {"type": "error", "code": "bad_request", "message": "no such language"}}, True, "no such language"),
        ({"config": {"type": "error", "code": "server_full", "message": "later"}}, True, "server_full: later"),
        ({"fail_after": 0.1}, True, "undecodable_audio: what was that?"),
    ],
)
async def test_failures_in_words(fake_asr, wishes, pcm, message):
    async with fake_asr(**wishes) as server:
        with pytest.raises(ClientError, match=message):
            await converse(server.url, pcm=pcm)


async def test_nobody_there():
    with pytest.raises(ClientError, match="cannot reach"):
        await converse("ws://127.0.0.1:1/asr")


async def test_a_server_that_takes_connections_and_answers_none(monkeypatch):
    monkeypatch.setattr("wlkd.client.asr.CONNECT_TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}/asr"
        for connecting in (connect(url, pcm=True), connect_resuming(url, LiveAudio(), pcm=True)):
            with pytest.raises(Lost, match=f"cannot reach {url}: no answer"):
                async with asyncio.timeout(5), connecting:
                    pass


def keepalive_seconds(port: int) -> float | None:
    """When the kernel asks the silent peer of our connection to `port` whether it is there; None: never."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, peer, _, _, timer, *_ = row.split()
        kind, _, ticks = timer.partition(":")
        if peer == f"0100007F:{port:04X}" and kind == "02":  # proc_net_tcp.txt: the keepalive timer
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK")
    return None


async def test_a_host_that_vanishes_without_a_word_is_noticed_by_the_kernel(fake_asr):
    async with fake_asr() as server, connect(server.url, pcm=True):
        due = keepalive_seconds(urlsplit(server.url).port)
    assert due is not None
    assert due <= 60


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["one", "two"], "one two"),
        ([" one", " two"], " one two"),
        (["one ", "", "two"], "one two"),
        (["你好", "世界"], "你好世界"),
        (["Straße", "über"], "Straße über"),
    ],
)
def test_lines_as_one_text(texts, joined):
    lines = tuple(Line(0, 0, (Word(text, 0, 0),)) for text in texts)
    assert Transcript(lines, "", 0.0).committed == joined
