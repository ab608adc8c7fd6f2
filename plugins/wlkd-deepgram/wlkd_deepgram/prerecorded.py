"""One recording, sent as the body of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from wlkd import Code, Session, SessionError, Update
from wlkd.contract.audio import seconds
from wlkd.transports.conversation import feed_all, last_update, running
from wlkd.transports.http import while_connected
from wlkd.transports.notes import note_headers
from wlkd_deepgram.messages import alternative, who
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.query import Query
from wlkd_deepgram.text import found

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions

PIECE_BYTES = 64 * 1024


class Recording:
    """Hears the body while it arrives; a busy session slows its client down."""

    def __init__(self, request: web.Request, options: DeepgramOptions, query: Query) -> None:
        self._request = request
        self._options = options
        self._query = query
        self._metadata = Metadata()

    async def serve(self, session: Session) -> web.Response:
        """Raises `SessionError`, or `ConnectionError` when the client left."""
        update = await while_connected(self._request, self._transcript(session))
        self._metadata.take(update)
        results: dict[str, Any] = {"channels": [_channel(update, self._query)]}
        if self._query.utterances:
            results["utterances"] = _utterances(update)
        answer = {"metadata": self._metadata.fields(), "results": results}
        return web.json_response(answer, headers=note_headers(update.notes))

    async def _transcript(self, session: Session) -> Update:
        async with running(feed_all(session, self._pieces())) as (feeding,), running(last_update(session)) as (heard,):
            # An upload that fails ends the request; one that is complete leaves the transcript to wait for.
            await asyncio.wait({feeding, heard}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
            return await heard

    async def _pieces(self) -> AsyncIterator[bytes]:
        received = 0
        while piece := await self._read():
            received += len(piece)
            if received > self._options.max_upload_bytes:
                raise too_large(self._options)
            self._metadata.hear(piece)
            yield piece
        if not received:
            raise SessionError(Code.BAD_REQUEST, "the body is empty; send the recording as the body")

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._options.upload_timeout_seconds):
                return await self._request.content.read(PIECE_BYTES)
        except TimeoutError:
            raise SessionError(Code.IDLE_TIMEOUT, "the upload stopped arriving") from None
        except web.RequestPayloadError as error:
            raise SessionError(Code.BAD_REQUEST, f"the body cannot be read: {error}") from error


def too_large(options: DeepgramOptions) -> SessionError:
    """The refusal of a recording beyond the limit."""
    return SessionError(Code.MESSAGE_TOO_BIG, f"the recording is larger than {options.max_upload_bytes} bytes")


def _channel(update: Update, query: Query) -> dict[str, Any]:
    words = [word for line in update.lines for word in line.words]
    found_terms = found(query.search, words)
    return {"alternatives": [alternative(words)], "detected_language": update.language, **found_terms}


def _utterances(update: Update) -> list[dict[str, Any]]:
    return [
        {
            "start": round(seconds(line.start), 3),
            "end": round(seconds(line.end), 3),
            "channel": 0,
            "id": str(number),
            **alternative(line.words),
            **({"speaker": who(line.words[0])["speaker"]} if who(line.words[0]) else {}),
        }
        for number, line in enumerate(line for line in update.lines if not line.is_silence)
    ]
