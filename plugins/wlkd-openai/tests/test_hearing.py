"""What a flush waits for, with a session of the test's own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from wlkd_openai.realtime.hearing import Hearing
from wlkd_openai.realtime.items import Items

from tests.waiting import until
from wlkd import Update, Word


def test_turns_are_complete_in_order_and_all_of_them_when_nothing_is_owed():
    items = Items(beta=False)
    items.on_update(Update(speech_start=0))
    items.on_update(Update(speech_start=0, speech_end=16_000, lag=16_000))
    items.on_update(Update(speech_start=24_000, lag=16_000))
    first = items.on_update(
        Update(committed=(Word(" one", 0, 8_000),), segment_end=True, speech_start=24_000, received=32_000, lag=8_000)
    )
    assert [event["transcript"] for event in first if "transcript" in event] == ["one"]
    items.on_update(Update(speech_start=24_000, speech_end=32_000, lag=8_000))
    items.on_update(Update(speech_start=48_000, lag=8_000))
    assert items.pending
    last = Update(committed=(Word(" two", 24_000, 30_000),), segment_end=True, speech_start=48_000, speech_end=56_000)
    assert [event["transcript"] for event in items.on_update(last) if "transcript" in event] == ["two", ""]
    assert not items.pending


def test_words_are_in_the_turn_that_they_were_spoken_in():
    items = Items(beta=False)
    items.begin_stream(160_000)
    items.on_update(Update(speech_start=0, received=16_000))
    items.on_update(Update(speech_start=0, speech_end=32_000, received=48_000, lag=32_000))
    items.on_update(Update(speech_start=80_000, received=90_000, lag=10_000))
    both = (Word(" One", 0, 8_000), Word(" two.", 8_000, 16_000), Word(" Three", 80_000, 88_000))
    first = items.on_update(Update(committed=both, segment_end=True, speech_start=80_000, received=96_000, lag=8_000))
    assert [event.get("delta", event.get("transcript")) for event in first] == ["One two.", "One two.", "Three"]
    assert not items.pending, "the other turn goes on: the end was that of the first"
    last = Update(committed=(Word(" four.", 88_000, 96_000),), segment_end=True, speech_start=80_000, speech_end=96_000)
    assert [event["transcript"] for event in items.on_update(last) if "transcript" in event] == ["Three four."]


def test_a_turn_without_words_stays_empty():
    items = Items(beta=False)
    for start in (0, 32_000, 64_000):
        items.on_update(Update(speech_start=start, lag=16_000))
        items.on_update(Update(speech_start=start, speech_end=start + 16_000, lag=16_000))
    words = (Word(" one", 0, 8_000), Word(" three", 64_000, 72_000))
    last = Update(committed=words, segment_end=True, speech_start=64_000, speech_end=80_000)
    assert [event["transcript"] for event in items.on_update(last) if "transcript" in event] == ["one", "", "three"]
    assert not items.pending


def test_a_turn_whose_end_no_update_told_of_ends_where_the_next_begins():
    items = Items(beta=False)
    items.on_update(Update(speech_start=0, lag=16_000))
    next_starts = items.on_update(Update(speech_start=32_000, lag=16_000))
    kinds = [event["type"].rpartition(".")[2] for event in next_starts]
    assert kinds == ["speech_stopped", "committed", "added", "done", "speech_started"]
    words = (Word(" one", 0, 8_000), Word(" two", 32_000, 40_000))
    last = Update(committed=words, segment_end=True, speech_start=32_000, speech_end=48_000)
    assert [event["transcript"] for event in items.on_update(last) if "transcript" in event] == ["one", "two"]


class Late:
    """Its flush is over before the update with the flushed words is there."""

    def __init__(self) -> None:
        self.flushing = asyncio.Event()
        self.later = asyncio.Event()

    async def flush(self) -> None:
        self.flushing.set()

    async def updates(self):
        await self.flushing.wait()
        yield Update(committed=(Word(" one", 0, 8_000),))
        await self.later.wait()
        yield Update(committed=(Word(" two", 8_000, 16_000),), flushes=1)
        await asyncio.Event().wait()


async def test_a_flush_waits_for_its_own_words_not_for_older_ones():
    sent: list[dict[str, Any]] = []

    async def send(events):
        sent.extend(events)

    session = Late()
    hearing = Hearing(session, AsyncExitStack(), Items(beta=False), send)
    flushing = asyncio.create_task(hearing.flush())
    await until(lambda: bool(sent))
    assert not flushing.done()
    session.later.set()
    async with asyncio.timeout(5):
        await flushing
    assert [event["delta"].strip() for event in sent if "delta" in event] == ["one", "two"]
    await hearing.close()


class Behind:
    """Takes no more audio until what it has is recognized."""

    async def feed(self, audio: bytes) -> None:
        await asyncio.Event().wait()

    async def updates(self):
        yield Update(committed=(Word(" one", 0, 8_000),))
        await asyncio.Event().wait()


async def test_audio_that_waits_is_given_up_when_its_client_is_gone():
    async def send(events):
        if list(events):
            raise ConnectionResetError("the client is gone")

    hearing = Hearing(Behind(), AsyncExitStack(), Items(beta=False), send)
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            await hearing.feed(bytes(10_000))
    await hearing.close()
