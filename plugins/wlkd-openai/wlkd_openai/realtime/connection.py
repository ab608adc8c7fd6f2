"""One client of the realtime API, from the first event to the close frame."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from aiohttp import WSMessage, WSMsgType

from wlkd import SAMPLE_RATE, BadParameter, Code, SessionError, Sessions
from wlkd.contract.audio import samples
from wlkd.transports import websocket
from wlkd.transports.client_json import parsed
from wlkd.transports.conversation import running
from wlkd_openai.errors import ApiError, fields_of
from wlkd_openai.models import model_wish
from wlkd_openai.realtime.hearing import Hearing
from wlkd_openai.realtime.items import Event, Items, new_id
from wlkd_openai.realtime.settings import Settings, as_beta, updated_by_beta

if TYPE_CHECKING:
    from wlkd_openai.transport import OpenAIOptions


class Socket(websocket.Socket):
    """Says errors as this protocol does."""

    def parting(self, error: SessionError) -> tuple[Iterable[str], int, str]:
        fields = {**fields_of(error), "event_id": None}
        return [_text({"type": "error", "error": fields})], websocket.CLOSE_CODES[error.code], error.message


class Connection:
    """Answers events. A session is opened with the first audio, and again when the settings change under it."""

    def __init__(
        self,
        socket: Socket,
        options: OpenAIOptions,
        sessions: Sessions,
        *,
        peer: str,
        token: str | None,
        beta: bool,
        settings: Settings,
    ) -> None:
        """`settings`: what the session begins with. Raises `ApiError` for a model that is not there."""
        self._socket = socket
        self._options = options
        self._sessions = sessions
        self._peer = peer
        self._token = token
        self._beta = beta
        self._kind = "transcription_session" if beta else "session"
        self._id = new_id("sess")
        self._settings = settings
        self._query = {**settings.query, **self._model_wish(settings.model)}
        self._items = Items(beta=beta)
        self._follow(settings)
        self._hearing: Hearing | None = None
        self._appended_seconds = 0.0
        self._settled = 0
        """Up to which sample the audio was in turns that ended, or was cleared."""

    async def serve(self) -> None:
        """Serve the client to its end. Raises nothing but cancellation: errors are sent to the client."""
        await self._socket.serve(self._converse(), self._peer)

    async def _converse(self) -> None:
        try:
            await self._send([{"type": f"{self._kind}.created", "session": self._session()}])
            async for message in self._messages():
                await self._take(message)
        except SessionError as error:
            with contextlib.suppress(ConnectionError, SessionError):
                await self._send(self._items.failed(error))
            await self._close_hearing(error)
            raise
        finally:
            await self._close_hearing()

    async def _messages(self) -> AsyncIterator[WSMessage]:
        """What the client sends, until it goes. Raises why the session behind it ended by itself."""
        while True:
            async with running(self._socket.receive()) as (reading,):
                waiting: set[asyncio.Future[Any]] = {reading}
                if self._hearing is not None:
                    waiting.add(self._hearing.sending)
                # Without audio there is no session that would notice a client which has forgotten its connection.
                limit = self._options.idle_timeout_seconds if self._hearing is None else None
                done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    raise SessionError(Code.IDLE_TIMEOUT, "no audio for too long")
                if reading not in done and self._hearing is not None:
                    self._hearing.sending.result()
                message = reading.result()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            yield message

    async def _take(self, message: WSMessage) -> None:
        """Answer one event. A mistake in it is answered with an error, and the conversation goes on."""
        event: dict[str, Any] = {}
        try:
            event = _parse(message)
            await self._answer(event)
        except ApiError as error:
            named = event.get("event_id")
            # Of what is no text, JSON may be unable to say it again: 1e999 is read as infinity.
            fields = {**fields_of(error), "event_id": named if isinstance(named, str) else None}
            await self._send([{"type": "error", "error": fields}])

    async def _answer(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "session.update":
                await self._configure(self._settings.updated(event.get("session"), self._sessions.languages()))
            case "transcription_session.update":
                change = event.get("session")
                await self._configure(updated_by_beta(self._settings, change, self._sessions.languages()))
            case "input_audio_buffer.append":
                await self._append(_audio(event))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case str() as kind if kind.startswith(("response.", "conversation.", "output_audio_buffer.")):
                raise ApiError(400, f"{kind}: this is a transcription session; it answers nothing", code="unsupported")
            case kind:
                raise ApiError(400, f"unknown event type {kind!r}", code="invalid_event", param="type")

    async def _configure(self, settings: Settings) -> None:
        query = {**settings.query, **self._model_wish(settings.model)}
        if self._hearing is not None and (settings.offer, query) != (self._settings.offer, self._query):
            # What was said so far is heard as it was meant then.
            await self._hearing.finish()
            await self._close_hearing()
        if self._hearing is None and (self._settings.finds_turns or settings.finds_turns):
            # A turn goes on with the next audio only where nobody but the client ends turns.
            await self._end_turn()
        self._settings, self._query = settings, query
        self._follow(settings)
        await self._send([{"type": f"{self._kind}.updated", "session": self._session()}])

    def _follow(self, settings: Settings) -> None:
        self._items.finds_turns = settings.finds_turns
        self._items.logprobs = bool(settings.include)
        self._items.unsure_seconds = settings.unsure_seconds

    def _model_wish(self, model: str) -> dict[str, str]:
        try:
            return model_wish(model, self._sessions.capabilities(), self._options.models)
        except BadParameter as error:
            where = "session.audio.input.transcription.model"
            raise ApiError(400, error.message, code="invalid_value", param=where) from None

    async def _append(self, audio: bytes) -> None:
        if self._hearing is None:
            self._hearing = await self._open()
        offer = self._settings.offer
        width = 2 if offer.encoding == "s16le" else 1
        self._appended_seconds += len(audio) / (width * (offer.sample_rate or SAMPLE_RATE))
        await self._hearing.feed(audio)

    @property
    def _appended(self) -> int:
        """Samples that were appended in all, whatever their rate was."""
        return samples(self._appended_seconds)

    async def _open(self) -> Hearing:
        owner = AsyncExitStack()
        session = await owner.enter_async_context(
            self._sessions.open(
                self._settings.offer,
                transport="openai",
                peer=self._peer,
                query=self._query,
                token=self._token,
            )
        )
        self._items.begin_stream(self._appended)
        self._items.judged = session.info.turns
        return Hearing(session, owner, self._items, self._send)

    async def _commit(self) -> None:
        if self._appended == self._settled:
            raise ApiError(400, "the input audio buffer is empty", code="input_audio_buffer_commit_empty")
        before = self._items.completed
        await self._end_turn()
        if self._items.completed == before:
            # Turns are found, and nobody has spoken since the last one: a client waits for its item all the same.
            await self._send(self._items.silent(self._appended))

    async def _end_turn(self) -> None:
        """Complete what the audio that is not settled says; nothing where there is none."""
        if self._appended == self._settled:
            return
        if not self._settings.finds_turns:
            await self._send(self._items.commit(self._appended))
        # Without a session, its words are there: one that makes room for another has finished.
        if self._hearing is not None:
            await self._hearing.flush()
        await self._send(self._items.committed(self._appended))
        self._settled = self._appended

    async def _clear(self) -> None:
        if self._hearing is not None and self._items.pending:
            # The client can no longer clear what it has committed: it waits for those words.
            await self._hearing.settle()
        await self._close_hearing()
        self._items.clear()
        self._settled = self._appended
        await self._send([{"type": "input_audio_buffer.cleared"}])

    async def _close_hearing(self, error: SessionError | None = None) -> None:
        if self._hearing is not None:
            await self._hearing.close(error)
            self._hearing = None

    def _session(self) -> dict[str, Any]:
        kind = "realtime.transcription_session"
        if self._beta:
            return as_beta(self._settings, self._id, kind)
        return {"id": self._id, "object": kind, **self._settings.model_dump()}

    async def _send(self, events: Iterable[Event]) -> None:
        for event in events:
            await self._socket.say(_text(event))


def _text(event: Event) -> str:
    return json.dumps({"event_id": new_id("event"), **event}, ensure_ascii=False)


def _parse(message: WSMessage) -> dict[str, Any]:
    if message.type is not WSMsgType.TEXT:
        raise ApiError(
            400, "events are text; audio goes base64-encoded into input_audio_buffer.append", code="invalid_event"
        )
    try:
        event = parsed(message.data)
    except ValueError as error:
        raise ApiError(400, f"an event must be a JSON object: {error}", code="invalid_json") from None
    if not isinstance(event, dict):
        raise ApiError(400, "an event must be a JSON object", code="invalid_json")
    return event


def _audio(event: dict[str, Any]) -> bytes:
    text = event.get("audio")
    try:
        if not isinstance(text, str):
            raise ValueError("no text")
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ApiError(400, "'audio' must be base64", code="invalid_value", param="audio") from None
