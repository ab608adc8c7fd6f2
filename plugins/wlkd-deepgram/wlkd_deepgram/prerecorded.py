"""One recording, sent as the body of a request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from wlkd import Session, SessionError, Update
from wlkd.contract.audio import seconds
from wlkd_deepgram.messages import alternative
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.query import Query

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions

logger = logging.getLogger(__name__)
PIECE_BYTES = 64 * 1024
WATCH_SECONDS = 0.5


class Recording:
    """Hears the body while it arrives; a busy session slows its client down."""

    def __init__(self, request: web.Request, options: DeepgramOptions, query: Query, metadata: Metadata) -> None:
        self._request = request
        self._options = options
        self._query = query
        self._metadata = metadata

    async def serve(self, session: Session) -> web.Response:
        """Raises `SessionError`, or `ConnectionError` when the client left."""
        hearing = asyncio.create_task(self._hear(session))
        answering = asyncio.create_task(_transcript(session))
        leaving = asyncio.create_task(_left(self._request))
        try:
            # An upload that fails ends the request; one that is complete leaves the transcript to wait for.
            await asyncio.wait({hearing, answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise ConnectionResetError("the client left before its transcript was ready")
            update = answering.result()
        finally:
            for task in (hearing, answering, leaving):
                task.cancel()
            await asyncio.gather(hearing, answering, leaving, return_exceptions=True)
        self._metadata.received = update.received
        results: dict[str, Any] = {"channels": [_channel(update)]}
        if self._query.utterances:
            results["utterances"] = _utterances(update)
        return web.json_response({"metadata": self._metadata.fields(), "results": results})

    async def _hear(self, session: Session) -> None:
        """Feed the body. A refusal by the session is left to `updates()`, which raises it too."""
        received = 0
        while piece := await self._read():
            received += len(piece)
            if received > self._options.max_upload_bytes:
                raise too_large(self._options)
            self._metadata.hear(piece)
            try:
                await session.feed(piece)
            except SessionError as error:
                logger.debug("recording: the session takes no more audio: %s", error)
                return
        if not received:
            raise SessionError("bad_request", "the body is empty; send the recording as the body")
        await session.finish()

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._options.upload_timeout_seconds):
                return await self._request.content.read(PIECE_BYTES)
        except TimeoutError:
            raise SessionError("idle_timeout", "the upload stopped arriving") from None
        except web.RequestPayloadError as error:
            raise SessionError("bad_request", f"the body cannot be read: {error}") from error


def too_large(options: DeepgramOptions) -> SessionError:
    """The refusal of a recording beyond the limit."""
    return SessionError("message_too_big", f"the recording is larger than {options.max_upload_bytes} bytes")


async def _transcript(session: Session) -> Update:
    last = Update()
    async for update in session.updates():
        last = update
    return last


async def _left(request: web.Request) -> None:
    """Returns when the client is gone."""
    # aiohttp has no event for it: it tells a handler by failing its next read or write, and there is none meanwhile.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(WATCH_SECONDS)


def _channel(update: Update) -> dict[str, Any]:
    words = [word for line in update.lines for word in line.words]
    return {"alternatives": [alternative(words)], "detected_language": update.language}


def _utterances(update: Update) -> list[dict[str, Any]]:
    return [
        {
            "start": round(seconds(line.start), 3),
            "end": round(seconds(line.end), 3),
            "channel": 0,
            "id": str(number),
            **alternative(line.words),
        }
        for number, line in enumerate(line for line in update.lines if not line.is_silence)
    ]
