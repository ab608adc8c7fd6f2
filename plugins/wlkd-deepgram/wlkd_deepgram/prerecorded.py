"""One recording, sent as the body of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from wlkd import Code, Line, SessionError, Update
from wlkd.contract.audio import seconds
from wlkd.transports.channels import Channels, is_missing
from wlkd.transports.conversation import feed_all, last_update, running
from wlkd.transports.http import while_connected
from wlkd.transports.notes import note_headers
from wlkd.transports.spool import Spool
from wlkd_deepgram.messages import alternative, who
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.paragraphs import paragraphs
from wlkd_deepgram.query import Query
from wlkd_deepgram.text import found

if TYPE_CHECKING:
    from wlkd_deepgram.transport import DeepgramOptions

PIECE_BYTES = 64 * 1024


class Recording:
    """Hears the body while it arrives."""

    def __init__(self, request: web.Request, options: DeepgramOptions, query: Query, spool: Spool) -> None:
        """`spool`: where the body is kept; the session's decoder may look into it."""
        self._request = request
        self._options = options
        self._query = query
        self._spool = spool
        self._metadata = Metadata()

    async def serve(self, session: Channels) -> web.Response:
        """Raises `SessionError`, or `ConnectionError` when the client left."""
        heard = await while_connected(self._request, self._transcripts(session))
        for update in heard:
            self._metadata.take(update)
        self._metadata.channels = len(heard)
        # In a thread: to write down ten hours takes a second, in which live sessions would get no words.
        return await asyncio.to_thread(self._answer, heard)

    def _answer(self, heard: Sequence[Update]) -> web.Response:
        results: dict[str, Any] = {"channels": [_channel(update, self._query) for update in heard]}
        if self._query.utterances:
            said = [one for number, update in enumerate(heard) for one in _utterances(update, number, self._query)]
            results["utterances"] = sorted(said, key=lambda one: float(one["start"]))
        answer = {"metadata": self._metadata.fields(), "results": results}
        return web.json_response(answer, headers=note_headers(self._metadata.notes))

    async def _transcripts(self, session: Channels) -> list[Update]:
        """Of every channel that the recording has."""
        async with (
            running(self._receive(), feed_all(session, self._spool.read())) as uploading,
            running(_last_updates(session)) as (hearing,),
        ):
            # An upload that fails ends the request, and so does a session that fails in the middle of the upload.
            await asyncio.wait({*uploading, hearing}, return_when=asyncio.FIRST_EXCEPTION)
            for task in uploading:
                if task.done():
                    task.result()
            return await hearing

    async def _receive(self) -> None:
        """At the client's speed, whatever recognition does: a client that leaves is noticed while its body is read."""
        while piece := await self._read():
            if self._spool.size + len(piece) > self._options.max_upload_bytes:
                raise too_large(self._options)
            self._metadata.hear(piece)
            await self._spool.write(piece)
        if not self._spool.size:
            raise SessionError(Code.BAD_REQUEST, "the body is empty; send the recording as the body")
        await self._spool.complete()

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._options.upload_timeout_seconds):
                return await self._request.content.read(PIECE_BYTES)
        except TimeoutError:
            raise SessionError(Code.IDLE_TIMEOUT, "the upload stopped arriving") from None
        except web.RequestPayloadError as error:
            raise SessionError(Code.BAD_REQUEST, f"the body cannot be read: {error}") from error


async def _last_updates(session: Channels) -> list[Update]:
    """Of every channel that there is: a recording has as many as it has; only the live API asks how many."""
    answers = await asyncio.gather(*map(last_update, session.each), return_exceptions=True)
    for number, answer in enumerate(answers):
        if isinstance(answer, BaseException) and not is_missing(number, answer):
            raise answer
    return [answer for answer in answers if isinstance(answer, Update)]


def too_large(options: DeepgramOptions) -> SessionError:
    """The refusal of a recording beyond the limit."""
    return SessionError(Code.MESSAGE_TOO_BIG, f"the recording is larger than {options.max_upload_bytes} bytes")


def _channel(update: Update, query: Query) -> dict[str, Any]:
    words = [word for line in update.lines for word in line.words]
    found_terms = found(query.search, words)
    best = alternative(words, [language for line in update.lines for language in _languages(line, query)])
    if query.paragraphs:
        best["paragraphs"] = paragraphs(update.lines)
    return {"alternatives": [best], "detected_language": update.language, **found_terms}


def _languages(line: Line, query: Query) -> list[str | None]:
    """Of each word, if the client wants to know."""
    return [line.language] * len(line.words) if query.multilingual else []


def _utterances(update: Update, channel: int, query: Query) -> list[dict[str, Any]]:
    return [
        {
            "start": round(seconds(line.start), 3),
            "end": round(seconds(line.end), 3),
            "channel": channel,
            "id": f"{channel}-{number}",
            **alternative(line.words, _languages(line, query)),
            **({"speaker": who(line.words[0])["speaker"]} if who(line.words[0]) else {}),
        }
        for number, line in enumerate(line for line in update.lines if not line.is_silence)
    ]
