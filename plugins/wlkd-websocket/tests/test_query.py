"""What the query of `/asr` asks for: the format, wishes of the session, a token, and what is refused."""

from __future__ import annotations

import pytest
from multidict import MultiDict
from wlkd_websocket.query import parse_query

from wlkd import StreamOffer

from .asr import closing


@pytest.mark.parametrize(
    ("options", "query", "offer", "worklet"),
    [
        ({}, "", StreamOffer(), False),
        ({"input": "pcm"}, "", StreamOffer(None, "s16le", 16_000, 1), True),
        ({"input": "pcm"}, "?format=container", StreamOffer(), False),
        ({}, "?format=pcm", StreamOffer(None, "s16le", 16_000, 1), True),
        ({}, "?format=mulaw&sample_rate=8000", StreamOffer(None, "mulaw", 8_000, 1), False),
        ({}, "?format=s16le&sample_rate=48000&channels=2", StreamOffer(None, "s16le", 48_000, 2), False),
        ({}, "?format=s24be", StreamOffer(None, "s24be", 16_000, 1), False),
    ],
)
async def test_the_format_comes_from_the_query_or_the_options(rig, options, query, offer, worklet):
    built = await rig(**options)
    socket = await built.connect(query)
    assert await socket.receive_json(timeout=30) == {"type": "config", "useAudioWorklet": worklet, "ping": True}
    assert built.sessions.opened[0].info.offer == offer


async def test_wishes_reach_the_session_and_what_is_the_transport_s_own_does_not(rig):
    socket, session = await (await rig()).open(
        "?language=zh&task=translate&initial_prompt=a&static_prompt=b&hotwords=c,d&replace=e:f&words=1&token=secret"
    )
    assert session.query == {
        "language": "zh",
        "task": "translate",
        "initial_prompt": "a",
        "static_prompt": "b",
        "hotwords": "c,d",
        "replace": "e:f",
    }
    assert session.token == "secret"
    await socket.close()


def test_what_is_asked_for_twice_counts_once():
    twice = MultiDict(
        [("diarize", "0"), ("diarize", "1"), ("multichannel", "1"), ("language", "en"), ("language", "de")]
    )
    assert parse_query(twice, "pcm").wishes == {"diarize": "0", "language": "en"}


async def test_a_token_in_the_header_counts_before_the_query(rig):
    built = await rig()
    socket = await built.connect("?token=query", headers={"Authorization": "Bearer header"})
    assert (await socket.receive_json(timeout=30))["type"] == "config"
    assert built.sessions.opened[0].token == "header"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?mode=fast", "mode=fast: unknown; known: full, diff"),
        ("?format=s16le&sample_rate=fast", "sample_rate=fast"),
        ("?format=s16le&sample_rate=0", "sample_rate=0"),
        ("?format=s16le&channels=²", "channels=²"),
        ("?sample_rate=8000", "sample_rate"),
        ("?words=maybe", "words=maybe"),
    ],
)
async def test_a_bad_wish_is_answered_in_words(rig, query, names):
    socket = await (await rig()).connect(query)
    error, code, reason = await closing(socket)
    assert (error["code"], code) == ("bad_request", 1008)
    assert names in error["message"]
    assert reason == error["message"]
