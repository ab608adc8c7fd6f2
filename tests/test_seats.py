"""A session waits for its client, who comes back to it: not too long, and to nobody else."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.resuming_client import RATE, Client, node, undisturbed
from tests.whole_core import pcm
from wlkd.contract.errors import SessionError


async def test_the_living_session_goes_on_with_the_byte_that_it_lacks(key: Path) -> None:
    audio = pcm(6)
    client = Client(audio)
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 4)
        (waiting,) = admission.sessions
        received = waiting.received_seconds
        async with client.connected(admission) as session:
            assert admission.sessions == {waiting}
            assert client.sent_from[-1] >= 2 * RATE * received
            await client.hear_the_end(session)
        assert admission.sessions == frozenset()
    assert client.words == (await undisturbed(audio)).words


@pytest.mark.parametrize("heard_elsewhere", [False, True])
async def test_back_on_a_node_where_the_session_of_before_waits_still(key: Path, heard_elsewhere: bool) -> None:
    audio = pcm(8)
    client = Client(audio)
    async with node(key) as first, node(key) as second:
        async with client.connected(first) as session:
            await client.hear(session, 4)
        (waiting,) = first.sessions
        async with client.connected(second) as session:
            if heard_elsewhere:
                await client.hear(session, 10)
        async with client.connected(first) as session:
            # What it missed elsewhere it cannot tell: then another session goes on, and the older one ends by itself.
            assert (first.sessions == {waiting}) is not heard_elsewhere
            await client.hear_the_end(session)
        assert (waiting in first.sessions) is heard_elsewhere
    whole = await undisturbed(audio)
    assert (client.words, client.lines) == (whole.words, whole.lines)


async def test_words_that_the_client_missed_come_again(key: Path) -> None:
    # Longer than any step, so that there are several updates on a busy machine, too.
    audio = pcm(30)
    client = Client(audio)
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 20)
        client.miss(2)
        assert len(client.words) < 20
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
    assert client.words == (await undisturbed(audio)).words


async def test_a_second_connection_takes_over_and_the_first_is_told(key: Path) -> None:
    client = Client(pcm(6))
    async with node(key) as admission, client.connected(admission) as first:
        await client.hear(first, 3)
        async with client.connected(admission) as second:
            with pytest.raises(SessionError) as caught:
                async for _ in first.updates():
                    pass
            assert caught.value.code == "taken_over"
            with pytest.raises(SessionError):
                await first.feed(b"\0\0")
            await client.hear_the_end(second)
        assert len(client.words) == 12


async def test_a_key_that_has_expired_goes_on_with_its_session_and_opens_no_other(key: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("sesame\n")
    auth = {"continuation_key": str(key), "tokens_file": str(tmp_path / "tokens")}
    client = Client(pcm(6))
    async with node(key, auth=auth) as admission, node(key, auth=auth) as elsewhere:
        good, expired = (admission.grant("sesame", seconds)[0] for seconds in (600, -1))
        async with client.connected(admission, token=good) as session:
            await client.hear(session, 3)
        admission.check(transport="test", peer="here", token=expired, resuming=True)
        with pytest.raises(SessionError, match="valid token"):
            admission.check(transport="test", peer="here", token=expired)
        with pytest.raises(SessionError, match="valid token"):
            async with client.connected(elsewhere, token=expired):
                pass
        async with client.connected(admission, token=expired) as session:
            await client.hear_the_end(session)
        assert len(client.words) == 12


async def test_a_connection_that_breaks_while_it_takes_over_leaves_the_session_to_wait(key: Path) -> None:
    values = {
        "backend": {"name": "scripted", "options": {"step_seconds": 0.02}},
        "sessions": {"max_backlog_seconds": 1, "resume_seconds": 0.1},
    }
    client = Client(pcm(20))
    async with node(key, **values) as admission:

        async def take_over() -> None:
            async with client.connected(admission):
                pass

        async with client.connected(admission) as session:
            feeding = asyncio.create_task(session.feed(client.audio))
            async for update in session.updates():
                client.take(update)
                if client.words:
                    break
            taking_over = asyncio.create_task(take_over())
            for _ in range(10):  # turns of the event loop: what does not wait for the feed would be over
                await asyncio.sleep(0)
            assert not taking_over.done()
            taking_over.cancel()
            feeding.cancel()
            await asyncio.wait({taking_over, feeding})
        async with asyncio.timeout(5):
            await admission.drained()


async def test_a_session_waits_no_longer_than_told(key: Path) -> None:
    client = Client(pcm(3))
    async with node(key, sessions={"resume_seconds": 0.1, "max_sessions": 1}) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert admission.refusal() is not None
        assert admission.refusal(resuming=True) is None
        async with asyncio.timeout(5):
            await admission.drained()
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
        assert len(client.words) == 6


async def test_a_waiting_session_that_fails_leaves_its_place_to_its_client(
    key: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    values = {
        "backend": {"name": "scripted", "options": {"fail_on": " three"}},
        "sessions": {"max_sessions": 1, "resume_seconds": 600},
    }
    client = Client(pcm(1))
    async with node(key, **values) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        (waiting,) = admission.sessions
        await waiting.feed(pcm(2))
        async with asyncio.timeout(10):
            await admission.drained()
        assert admission.refusal() is None
        assert "closed: reason=backend_failed" in caplog.text


@pytest.mark.parametrize("back", [False, True])
async def test_a_session_waits_for_nobody_who_cannot_name_it(key: Path, back: bool) -> None:
    client = Client(pcm(3))
    async with node(key, sessions={"max_sessions": 1}) as admission:
        if back:
            async with client.connected(admission) as session:
                await client.hear(session, 1)
        # Gone before its first update. The one that comes back has a continuation all the same.
        async with client.connected(admission) as session:
            pass
        assert (admission.refusal() is None) is not back
        async with client.connected(admission) as session:
            await client.hear_the_end(session)
    assert len(client.words) == 6


async def test_a_waiting_session_does_not_hold_up_a_stop(key: Path) -> None:
    client = Client(pcm(3))
    async with node(key) as admission:
        async with client.connected(admission) as session:
            await client.hear(session, 1)
        assert admission.sessions
        async with asyncio.timeout(5):
            await admission.drain()
            await admission.drained()
