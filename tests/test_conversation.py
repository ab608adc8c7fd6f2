"""The end of a client's conversation, and the codes that each table must know."""

import asyncio
import errno
import logging
import ssl

import pytest

from wlkd.contract.errors import BadParameter, Code, SessionError
from wlkd.contract.types import RecognitionParams, SessionInfo, StreamOffer
from wlkd.testing import MadeUpSession
from wlkd.transports.conversation import converse, feed_all, last_update, see_through
from wlkd.transports.http import STATUS
from wlkd.transports.queries import choice, flag, whole_number
from wlkd.transports.websocket import CLOSE_CODES


def session() -> MadeUpSession:
    return MadeUpSession(SessionInfo("1", "test", "here", StreamOffer(), RecognitionParams(), 0.0), {}, None)


def test_a_code_that_nobody_knows_cannot_be_raised() -> None:
    with pytest.raises(ValueError, match="bad_reqest"):
        SessionError("bad_reqest", "misspelt")
    assert f"{SessionError('bad_request', 'x').code}" == "bad_request"


@pytest.mark.parametrize("table", [STATUS, CLOSE_CODES], ids=["http", "websocket"])
def test_every_code_has_its_answer(table: dict[Code, int]) -> None:
    assert set(table) == set(Code)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (SessionError("too_slow", "slowly"), "slowly"),
        (ConnectionResetError("gone"), None),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), None),
        (OSError(errno.EHOSTUNREACH, "No route to host"), None),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), None),
        (OSError(errno.ENOSPC, "No space left on device"), "internal error; the server's log has the details"),
        (TimeoutError(), "internal error; the server's log has the details"),
        (RuntimeError("a defect"), "internal error; the server's log has the details"),
        (None, None),
    ],
    ids=["error", "connection", "vanished", "no way there", "tls", "disk", "timeout", "defect", "good"],
)
async def test_what_goes_wrong_is_told_once(
    raised: Exception | None, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[SessionError] = []

    async def conversation() -> None:
        if raised is not None:
            raise raised

    async def tell(error: SessionError) -> None:
        heard.append(error)
        raise OSError(errno.ETIMEDOUT, "and then it was gone")

    await see_through(conversation(), tell, "here")
    assert [error.message for error in heard] == ([] if told is None else [told])
    assert any(record.levelno == logging.ERROR for record in caplog.records) == (told is not None and "log" in told)


async def test_a_conversation_ends_with_the_last_word_or_with_the_client() -> None:
    async def at_once() -> None:
        pass

    async def never() -> None:
        await asyncio.Event().wait()

    assert await converse(sending=at_once(), receiving=never())
    assert not await converse(sending=never(), receiving=at_once())


async def test_a_failed_session_takes_no_more_and_says_why_itself() -> None:
    hearing = session()
    hearing.fail(SessionError("undecodable_audio", "this is not audio"))

    async def pieces():  # type: ignore[no-untyped-def]
        yield b"audio"
        raise AssertionError("read on")

    await feed_all(hearing, pieces())
    assert not hearing.finished


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (SessionError("bad_request", "no such verb"), "no such verb"),
        (RuntimeError("a defect"), "internal error; the server's log has the details"),
    ],
    ids=["mistake", "defect"],
)
async def test_what_a_client_did_wrong_ends_its_session_after_its_words(raised: Exception, told: str) -> None:
    hearing = session()

    async def pieces():  # type: ignore[no-untyped-def]
        yield b"audio"
        raise raised

    await feed_all(hearing, pieces())
    assert hearing.fed == [b"audio"]
    with pytest.raises(SessionError, match=told):
        await last_update(hearing)


@pytest.mark.parametrize("lost", [ConnectionResetError(), OSError(errno.ETIMEDOUT, "Connection timed out")])
async def test_a_client_that_goes_ends_its_session(lost: OSError) -> None:
    hearing = session()

    async def pieces():  # type: ignore[no-untyped-def]
        yield b"audio"
        raise lost

    with pytest.raises(type(lost)):
        await feed_all(hearing, pieces())
    assert hearing.finished


@pytest.mark.parametrize("text", ["0", "-1", "²", "1.5", "1e3", "9999999999", "fast"])
def test_a_number_is_whole_and_short(text: str) -> None:
    with pytest.raises(BadParameter, match=f"rate={text}") as caught:
        whole_number({"rate": text}, "rate")
    assert caught.value.name == "rate"


def test_readers_of_what_clients_write() -> None:
    assert whole_number({}, "rate", 16_000) == 16_000 and whole_number({"rate": "8000"}, "rate") == 8_000
    assert [flag({"words": text}, "words") for text in ("true", "True", "1", "false", "0", "")] == [True] * 3 + [
        False
    ] * 3
    assert choice({"mode": ""}, "mode", ("full", "diff"), "full") == "full"
    with pytest.raises(BadParameter, match="mode=fast: unknown; known: full, diff"):
        choice({"mode": "fast"}, "mode", ("full", "diff"), "full")
