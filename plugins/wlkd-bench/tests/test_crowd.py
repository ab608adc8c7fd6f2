"""A short soak in the suite: after clients that come, go, crash and stall, nothing of them is left."""

import asyncio
import contextlib
import gc
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from wlkd_bench.crowd import KINDS, Crowd, idle_connections
from wlkd_bench.process import MIB, cpu_share, usage

from tests.waiting import metric, until, until_metric
from wlkd.testing import RunningDaemon, running_daemon, speech_like

AUDIO = (speech_like(20.0) * 32767).astype("<i2").tobytes()
PACE = 8.0


@asynccontextmanager
async def serving(values: Mapping[str, Any] = {}) -> AsyncIterator[RunningDaemon]:
    complete = {
        "vad": {"name": "none"},
        "decoders": {"pcm": {}, "av": {}},
        # Its clients leave the closing to the server.
        "transports": {"websocket": {"close_timeout_seconds": 0.2}},
        "backend": {"name": "scripted", "options": {"step_seconds": 0.01}},
        **values,
    }
    async with running_daemon(complete) as daemon:
        yield daemon


def left() -> dict[str, int]:
    """What a session could leave behind in this process."""
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "decoder threads": sum(thread.name == "wlkd-av" for thread in threading.enumerate()),
        "descriptors": usage(os.getpid()).descriptors,
    }


async def soak(daemon: RunningDaemon, seconds: float, seed: int) -> Counter[str]:
    crowd = Crowd(f"{daemon.ws}/asr", AUDIO, size=16, pace=PACE, seed=seed)
    await crowd.visit(seconds)
    await until_metric(daemon.http, "wlkd_sessions_open", 0)
    return crowd.ends


async def test_whoever_comes_and_however_they_go_nothing_is_left() -> None:
    limits = {"sessions": {"idle_timeout_seconds": 0.5, "max_sessions": 14}}
    async with serving(limits) as daemon:
        before = left()
        ends = await soak(daemon, 5, seed=1)
        warm = usage(os.getpid()).resident_bytes
        ends += await soak(daemon, 5, seed=2)
        grown = (usage(os.getpid()).resident_bytes - warm) / MIB
        try:
            await until(lambda: left() == before)
        except TimeoutError:
            assert left() == before
    assert grown < 8, f"{grown:.1f} MiB more after as many sessions again"
    seen = {end.partition(":")[0] for end in ends}
    assert seen == {kind.__name__ for kind in KINDS}
    assert ends["polite: told ready_to_stop"] and ends["hasty: told ready_to_stop"]
    assert ends["polite: refused with 503"], "the house was never full"
    assert not [end for end in ends if end.endswith("lost")]


async def test_those_above_the_limit_are_turned_away_and_the_others_do_not_notice() -> None:
    async with serving({"sessions": {"max_sessions": 4}}) as daemon:
        url = f"{daemon.ws}/asr"

        async def one(http: aiohttp.ClientSession) -> str:
            try:
                async with http.ws_connect(url, params={"format": "pcm"}) as socket:
                    for start in range(0, 4 * 32000, 8000):
                        await socket.send_bytes(AUDIO[start : start + 8000])
                        await asyncio.sleep(0.02)
                    await socket.send_bytes(b"")
                    texts = [message.json() async for message in socket]
                    return "".join(line["text"] for line in texts[-2]["lines"])
            except aiohttp.WSServerHandshakeError as error:
                assert error.headers is not None
                assert int(error.headers["Retry-After"]) > 0
                return f"HTTP {error.status}"

        async with aiohttp.ClientSession() as http:
            told = await asyncio.gather(*(one(http) for _ in range(12)))
    assert sorted(told) == sorted(["HTTP 503"] * 8 + [" one two three four five six seven eight"] * 4)


async def test_the_limit_for_one_address_is_told_before_the_upgrade() -> None:
    async with (
        serving({"sessions": {"max_sessions_per_address": 2}}) as daemon,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{daemon.ws}/asr"),
        http.ws_connect(f"{daemon.ws}/asr") as second,
    ):
        await second.receive()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{daemon.ws}/asr")
        assert caught.value.status == 503


def frame(data: bytes) -> bytes:
    """A binary WebSocket message as a client sends it (RFC 6455, section 5.2), masked with zeros."""
    return b"\x82\xfe" + len(data).to_bytes(2) + bytes(4) + data


async def test_a_client_that_never_reads_is_dropped_and_holds_little() -> None:
    wordy = {"name": "scripted", "options": {"script": [" " + 20_000 * "x"], "word_seconds": 0.1}}
    quick = {"websocket": {"send_timeout_seconds": 1, "close_timeout_seconds": 0.5}}
    async with serving({"backend": wordy, "transports": quick, "worker": {"min_chunk_seconds": 0.1}}) as daemon:
        before = usage(os.getpid()).resident_bytes
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port, limit=1024)
        writer.write(
            b"GET /asr?format=pcm HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        most = before

        async def dropped() -> bool:
            nonlocal most
            most = max(most, usage(os.getpid()).resident_bytes)
            with contextlib.suppress(ConnectionError):
                writer.write(frame(AUDIO[:16000]))
                await asyncio.wait_for(writer.drain(), 1)
            return await metric(daemon.http, "wlkd_sessions_closed_total", reason="too_slow") == 1

        await until(dropped)
        assert await metric(daemon.http, "wlkd_sessions_open") == 0
        writer.close()
        del reader
    # Each of its updates repeats a transcript of megabytes; what it has not read is merged, not queued.
    assert (most - before) / MIB < 64


async def test_connections_that_say_nothing_are_kept_and_cost_next_to_nothing() -> None:
    async with serving({"sessions": {"max_sessions": 100}}) as daemon:
        before = usage(os.getpid())
        async with idle_connections(f"{daemon.ws}/asr", 100):
            full = usage(os.getpid())
            await asyncio.sleep(3)
            later = usage(os.getpid())
    # Both ends of each connection live in this process.
    assert (full.resident_bytes - before.resident_bytes) / MIB / 100 < 1
    assert cpu_share(full, later) < 0.2


async def test_idle_connections_that_were_closed_are_noticed() -> None:
    async with serving({"sessions": {"idle_timeout_seconds": 0.2}}) as daemon:
        with pytest.raises(ConnectionError, match="3 of 3"):
            async with idle_connections(f"{daemon.ws}/asr", 3):
                await until_metric(daemon.http, "wlkd_sessions_closed_total", 3, reason="idle_timeout")
