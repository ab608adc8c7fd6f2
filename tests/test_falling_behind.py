"""Who is slower than the rest waits or makes wait: nobody loses a word, and no queue grows without end."""

import asyncio
import threading
from contextlib import AsyncExitStack

import numpy as np
import pytest
from wlkd_pcm.decoder import Pcm

from tests.whole_core import STEREO, core, opened, pcm, rest, whole_core
from wlkd.contract.audio import samples
from wlkd.contract.components import DecoderStream
from wlkd.contract.errors import SessionError
from wlkd.contract.types import Priority, Samples, StreamOffer
from wlkd.sessions.decoding import SLICE_SAMPLES


async def test_files_that_take_long_to_unpack_hold_up_no_live_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacking, begun = threading.Event(), threading.Semaphore(0)

    class Unpacking(DecoderStream):
        def feed(self, data: bytes) -> Samples:
            begun.release()
            unpacking.wait(5)
            return np.zeros(0, dtype=np.float32)

        def finish(self) -> Samples:
            return np.zeros(0, dtype=np.float32)

        def close(self) -> None:
            pass

    plain = Pcm.open
    monkeypatch.setattr(Pcm, "open", lambda self, offer: Unpacking() if offer == STEREO else plain(self, offer))
    monkeypatch.setattr("wlkd.daemon.threads.audio_threads", lambda cores: 2)
    async with core() as admission, AsyncExitStack() as stack:
        for _ in range(3):
            upload = admission.open(STEREO, transport="test", peer="here", priority="upload")
            await (await stack.enter_async_context(upload)).feed(b"1")
        assert await asyncio.to_thread(begun.acquire, timeout=5)
        async with opened(admission) as live, asyncio.timeout(3):
            await live.feed(pcm(1))
            await live.finish()
            assert (await rest(live))[-1].text == " one two"
        unpacking.set()


async def test_a_slow_reader_misses_no_word() -> None:
    async with core() as admission, opened(admission) as session:
        for _ in range(10):
            await session.feed(pcm(0.5))
            await session.flush()  # its words are in the transcript, and nobody reads them yet
        await session.finish()
        updates = await rest(session)
        assert sum(len(update.committed) for update in updates) == 10
        assert len(updates) < 5


async def test_a_session_that_is_behind_makes_its_client_wait() -> None:
    limits = {"max_backlog_seconds": 1}
    async with core({"sessions": limits}) as admission, opened(admission) as session:
        fed = 0

        async def speak() -> None:
            nonlocal fed
            for _ in range(40):
                await session.feed(pcm(0.5))
                fed += 1
            await session.finish()

        speaking = asyncio.create_task(speak())
        ahead, words = [], 0
        async for update in session.updates():
            words += len(update.committed)
            ahead.append(fed - words)
        await speaking
        assert words == 40
        assert 2 <= max(ahead) < 10, "half seconds that were taken and not yet recognized"


async def test_an_upload_whose_backlog_is_shorter_than_a_step_does_not_wait_for_more() -> None:
    values = {"sessions": {"max_backlog_seconds": 0.2}, "worker": {"max_chunk_seconds": 20}}
    async with core(values) as admission, opened(admission, priority="upload") as session:
        async with asyncio.timeout(10):
            for _ in range(5):
                await session.feed(pcm(0.5))
            await session.finish()
        assert (await rest(session))[-1].text == " one two three four five"


async def test_a_piece_that_unpacks_to_much_goes_on_as_the_backlog_allows() -> None:
    slow = {"name": "scripted", "options": {"step_seconds": 0.05}}
    limits = {"max_backlog_seconds": 5}
    offer = StreamOffer(encoding="u8", sample_rate=1000, channels=1)
    async with (
        core({"backend": slow, "sessions": limits}) as admission,
        admission.open(offer, transport="test", peer="here") as session,
    ):
        await session.feed(b"\x90" * 32_000)
        await session.finish()
        updates = await rest(session)
        assert updates[-1].received == samples(32)
        assert samples(5) <= max(update.lag for update in updates) <= samples(5) + SLICE_SAMPLES


@pytest.mark.parametrize("priority", ["live", "upload"])
async def test_the_lag_that_an_operator_sees_is_that_of_live_sessions(priority: Priority) -> None:
    shown = set()
    async with whole_core() as running, opened(running.admission, priority=priority) as session:
        await session.feed(pcm(2))
        await session.finish()
        async for update in session.updates():
            shown.add(update.lag > 0 and running.admission.lag_seconds > 0)
        observed = running.metrics.registry.get_sample_value("wlkd_commit_lag_seconds_count")
    assert shown == ({True, False} if priority == "live" else {False})
    assert bool(observed) is (priority == "live")


async def test_a_session_that_never_catches_up_is_told_so() -> None:
    stuck = {"name": "scripted", "options": {"step_seconds": 0.3}}
    limits = {"max_backlog_seconds": 1, "max_blocked_seconds": 0.05}
    async with core({"backend": stuck, "sessions": limits}) as admission, opened(admission) as session:
        with pytest.raises(SessionError) as caught:
            while True:
                await session.feed(pcm(2))
        assert caught.value.code == "too_slow"
