"""What every door does with a call: hear it, tell its words, and not wait for ever for it to begin."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from wlkd import Code, SessionError
from wlkd.transports import websocket
from wlkd.transports.channels import Channels
from wlkd.transports.conversation import running
from wlkd_telephony.calls import Call, Message, transcriptions

FIRST_SECONDS = 10.0
"""What a call gets to say which one it is."""


@asynccontextmanager
async def soon() -> AsyncIterator[None]:
    """What a call says first must not take long."""
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            yield
    except TimeoutError:
        raise SessionError(Code.IDLE_TIMEOUT, "the call does not say which one it is") from None


async def transcribe(
    session: Channels, call: Call, first: int, hearing: Awaitable[None], back: websocket.Socket | None = None
) -> None:
    """From the first audio to the last word, also when the caller hangs up before it.

    `first`: the number of the session's first channel in the call. `back`: the switch takes text, and gets it too.
    """

    async def hear() -> None:
        try:
            await hearing
        except SessionError as error:
            await session.finish(error)
        except BaseException:
            await session.finish()
            raise

    async def tell(messages: list[Message]) -> None:
        await call.say(messages)
        if back is not None and not back.closed:
            # The switch may be gone before its last audio is read: the listeners of the call still get the words of it.
            with contextlib.suppress(ConnectionError):
                for message in messages:
                    await back.say(json.dumps(message, ensure_ascii=False))

    apart = len(session.each) > 1
    async with running(hear()):
        async for update in session.updates():
            if messages := transcriptions(update, call.name, first, apart=apart):
                await tell(messages)
