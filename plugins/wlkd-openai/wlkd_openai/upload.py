"""One uploaded file, from its request to its transcript."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from wlkd import Session, SessionError, Sessions, StreamOffer
from wlkd.contract.types import MAX_KNOWN_SPEAKERS
from wlkd.transports.channels import open_channels, wanted_channels
from wlkd.transports.conversation import feed_all, last_update, running
from wlkd.transports.http import peer_of, while_connected
from wlkd.transports.spool import Spool
from wlkd_openai import formats
from wlkd_openai.errors import ApiError
from wlkd_openai.form import Wishes, field_name, parse
from wlkd_openai.models import model_wish
from wlkd_openai.speakers import MAX_REFERENCE_BYTES, REFERENCES

if TYPE_CHECKING:
    from wlkd_openai.transport import OpenAIOptions

T = TypeVar("T")

MAX_FIELDS = 256
MAX_FIELD_BYTES = 64 * 1024
AU_SUFFIXES = (".au", ".snd")
"""The packages take these for `audio/basic`, which is raw mu-law (RFC 2046); AU files have a header."""
FORM_BYTES = 1024 * 1024 + MAX_KNOWN_SPEAKERS * MAX_REFERENCE_BYTES
"""What a body may hold besides its file."""


class Upload:
    """Reads the form, hears the file, answers. Recognition starts while the file still arrives if it can."""

    def __init__(
        self,
        request: web.Request,
        task: Literal["transcribe", "translate"],
        sessions: Sessions,
        options: OpenAIOptions,
        token: str | None,
    ) -> None:
        self._request = request
        self._task = task
        self._sessions = sessions
        self._options = options
        self._token = token
        self._fields: dict[str, list[str]] = {}
        self._offer: StreamOffer | None = None
        self._last_events = b""

    async def serve(self) -> web.StreamResponse:
        """Raises `SessionError`, or `ConnectionError` when the client left."""
        if not self._request.content_type.startswith("multipart/"):
            raise ApiError(400, "send multipart/form-data, with the audio in 'file'", code="invalid_content_type")
        if (self._request.content_length or 0) > self._options.max_upload_bytes + FORM_BYTES:
            raise self._too_large()
        async with Spool() as spool, AsyncExitStack() as recognition:
            early: tuple[Session, Wishes] | None = None
            async for part in self._parts():
                name = field_name(part.name or "")
                if name != "file":
                    await self._read_field(name, part)
                    continue
                self._offer = _offer(part, again=self._offer is not None)
                if "model" in self._fields:
                    # Somebody who names the model first has most likely said everything before the file.
                    said = self._wishes()
                    early = await recognition.enter_async_context(self._hearing(spool, said)), said
                await self._read_file(part, spool)
            wishes = self._wishes()
            if not spool.size:
                what = "the file is empty" if self._offer else "send the audio as 'file'"
                raise ApiError(400, what, code="missing_parameter", param="file")
            if early is not None and early[1].same_hearing(wishes):
                session = early[0]
            else:
                await recognition.aclose()
                session = await recognition.enter_async_context(self._hearing(spool, wishes))
            answer = await while_connected(
                self._request, self._stream(session, wishes) if wishes.stream else _whole(session, wishes)
            )
        # Only now: a client that comes back at once must find its place free.
        if answer.prepared:
            await self._send(answer, self._last_events)
            await answer.write_eof()
        return answer

    def _wishes(self) -> Wishes:
        """What the form says. Raises `SessionError`."""
        wishes = parse(self._fields, self._task)
        wishes.query.update(model_wish(wishes.model, self._sessions.capabilities(), self._options.models))
        return wishes

    async def _parts(self) -> AsyncIterator[BodyPartReader]:
        try:
            body = await self._request.multipart()
            while (part := await self._in_time(body.next())) is not None:
                if not isinstance(part, BodyPartReader):
                    raise ApiError(400, "a part of the form is itself multipart", code="invalid_form")
                yield part
        except ValueError as error:
            raise ApiError(400, f"the form is malformed or cut short: {error}", code="invalid_form") from error

    async def _read_field(self, name: str, part: BodyPartReader) -> None:
        limit = MAX_REFERENCE_BYTES if name == REFERENCES else MAX_FIELD_BYTES
        if name == REFERENCES and len(self._fields.get(name, ())) == MAX_KNOWN_SPEAKERS:
            raise ApiError(400, f"'{name}' has more than {MAX_KNOWN_SPEAKERS} entries", code="too_many", param=name)
        text = bytearray()
        while piece := await self._in_time(part.read_chunk()):
            text += piece
            if len(text) > limit:
                raise ApiError(400, f"'{name}' is longer than {limit} bytes", code="too_long", param=name)
        self._fields.setdefault(name, []).append(text.decode(errors="replace").strip())
        if sum(map(len, self._fields.values())) > MAX_FIELDS:
            raise ApiError(400, f"more than {MAX_FIELDS} fields", code="invalid_form")

    async def _read_file(self, part: BodyPartReader, spool: Spool) -> None:
        while piece := await self._in_time(part.read_chunk(64 * 1024)):
            if spool.size + len(piece) > self._options.max_upload_bytes:
                raise self._too_large()
            await spool.write(piece)
        await spool.complete()

    def _too_large(self) -> ApiError:
        text = f"the file is larger than {self._options.max_upload_bytes} bytes"
        return ApiError(413, text, code="message_too_big", param="file")

    async def _in_time(self, reading: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._options.upload_timeout_seconds):
                return await reading
        except TimeoutError:
            raise ApiError(408, "the upload stopped arriving", code="idle_timeout") from None
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise ApiError(400, f"the body cannot be read: {error}", code="invalid_form") from error

    @asynccontextmanager
    async def _hearing(self, spool: Spool, wishes: Wishes) -> AsyncIterator[Session]:
        """A session that is being fed the file."""
        async with (
            open_channels(
                self._sessions,
                replace(self._offer or StreamOffer(), file=spool.file),
                wanted_channels(wishes.query),
                transport="openai",
                peer=peer_of(self._request),
                query=wishes.query,
                token=self._token,
                priority="upload",
                known_speakers=wishes.known_speakers,
            ) as session,
            running(feed_all(session, spool.read())),
        ):
            yield session

    async def _stream(self, session: Session, wishes: Wishes) -> web.StreamResponse:
        """Events as words are committed, but the last ones. Nothing is sent before the first word, so that errors
        until then have a status of their own."""
        answer = web.StreamResponse(headers={hdrs.CACHE_CONTROL: "no-cache", "X-Accel-Buffering": "no"})
        answer.content_type = "text/event-stream"
        answer.charset = "utf-8"
        deltas = formats.Deltas(wishes)
        try:
            async for update in session.updates():
                data = deltas.write(update)
                if update.final:
                    self._last_events = data
                elif data:
                    await self._send(answer, data)
        except SessionError as error:
            if not answer.prepared:
                raise
            self._last_events = formats.error_event(error)
        if not answer.prepared:
            await answer.prepare(self._request)
        return answer

    async def _send(self, answer: web.StreamResponse, data: bytes) -> None:
        if not answer.prepared:
            await answer.prepare(self._request)
        try:
            async with asyncio.timeout(self._options.send_timeout_seconds):
                await answer.write(data)
        except TimeoutError:
            raise ConnectionResetError("the client does not read its events") from None


async def _whole(session: Session, wishes: Wishes) -> web.StreamResponse:
    # In a thread: to cut ten hours into subtitles takes seconds, in which live sessions would get no words.
    return await asyncio.to_thread(formats.response, await last_update(session), wishes)


def _offer(part: BodyPartReader, *, again: bool) -> StreamOffer:
    if again:
        raise ApiError(400, "'file' was given twice", code="duplicate_parameter", param="file")
    content_type = part.headers.get(hdrs.CONTENT_TYPE, "")
    if content_type == "audio/basic" and (part.filename or "").lower().endswith(AU_SUFFIXES):
        content_type = ""
    # Clients that do not know the type say application/octet-stream, text/plain or nothing; the decoder looks then.
    return StreamOffer(content_type=content_type if content_type.startswith(("audio/", "video/")) else None)
