"""The OpenAI transport: options, routes, who may come in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import Field

from wlkd import Http, SessionError, Sessions, Transport
from wlkd.transports.http import Handler, answering, bearer, check_token, peer_of, subprotocols
from wlkd.transports.websocket import SocketOptions
from wlkd_openai.errors import ApiError, refused
from wlkd_openai.models import models
from wlkd_openai.realtime.connection import Connection, Socket
from wlkd_openai.realtime.keys import beta_session, body_of, client_secret, settings_of
from wlkd_openai.upload import Upload

MIB = 1 << 20
BETA_PROTOCOL = "openai-beta.realtime-v1"
KEY_PROTOCOL = "openai-insecure-api-key."


class OpenAIOptions(SocketOptions):
    """Options of the transport `openai`."""

    models: tuple[str, ...] = Field(
        ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
        min_length=1,
        description="Names that `GET /v1/models` lists, besides those of `engines`. These names, and those of OpenAI's "
        "own models, stand for the default engine or that of the language; without `engines`, any name does.",
    )
    max_upload_bytes: int = Field(
        512 * MIB,
        ge=1024,
        description="Largest file. Uploads are kept in the folder for temporary files until they are transcribed.",
    )
    upload_timeout_seconds: float = Field(
        60.0, gt=0, description="An upload of which nothing arrives for longer than this is given up."
    )
    idle_timeout_seconds: float = Field(
        300.0,
        gt=0,
        description="A realtime client that does not send any audio for this time after connecting is disconnected.",
    )


class OpenAI(Transport[OpenAIOptions]):
    """`/v1/audio/...`, `/v1/realtime` and `/v1/models`."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        router = http.app(self.config.host, self.config.port).router
        router.add_post("/v1/audio/transcriptions", self._answering(self._transcribe))
        router.add_post("/v1/audio/translations", self._answering(self._translate))
        router.add_get("/v1/realtime", self._answering(self._realtime))
        router.add_post("/v1/realtime/client_secrets", self._answering(self._client_secret))
        router.add_post("/v1/realtime/transcription_sessions", self._answering(self._beta_session))
        router.add_post("/v1/realtime/sessions", self._answering(self._beta_session))
        router.add_get("/v1/models", answering(self._list_models, _told))
        router.add_get("/v1/models/{model}", answering(self._describe_model, _told))

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request, bearer(request))
        return await Upload(request, "transcribe", self._sessions, self.config, token).serve()

    async def _translate(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request, bearer(request))
        return await Upload(request, "translate", self._sessions, self.config, token).serve()

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        offered = subprotocols(request)
        token = self._admit(request, bearer(request) or _subprotocol_token(offered))
        socket = Socket(self.config, ("realtime",) if "realtime" in offered else ())
        if not socket.can_prepare(request).ok:
            raise ApiError(426, "this is a WebSocket: connect with ws:// or wss://", code="upgrade_required")
        beta = "realtime=v1" in request.headers.get("OpenAI-Beta", "") or BETA_PROTOCOL in offered
        settings = settings_of(token, self._sessions).naming(request.query.get("model", ""), self._sessions.languages())
        connection = Connection(
            socket,
            self.config,
            self._sessions,
            peer=peer_of(request),
            token=token,
            beta=beta,
            settings=settings,
        )
        await socket.prepare(request)
        await connection.serve()
        return socket

    async def _client_secret(self, request: web.Request) -> web.StreamResponse:
        body = body_of(await _text(request))
        return web.json_response(client_secret(body, bearer(request), self._sessions))

    async def _beta_session(self, request: web.Request) -> web.StreamResponse:
        body, kind = body_of(await _text(request)), request.path.rpartition("/")[2].removesuffix("s")
        return web.json_response(beta_session(body, bearer(request), self._sessions, f"realtime.{kind}"))

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        check_token(self._sessions, bearer(request))
        return web.json_response({"object": "list", "data": list(self._models().values())})

    async def _describe_model(self, request: web.Request) -> web.StreamResponse:
        check_token(self._sessions, bearer(request))
        name = request.match_info["model"]
        known = self._models()
        if name not in known:
            raise ApiError(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        return web.json_response(known[name])

    def _models(self) -> dict[str, dict[str, Any]]:
        return models(self._sessions.capabilities(), self.config.models)

    def _answering(self, handle: Handler) -> Handler:
        """`handle`, for clients that come for a session, with every error in this API's shape."""

        def refuse(request: web.Request, error: SessionError) -> web.Response:
            self._sessions.turned_away(error, transport="openai", peer=peer_of(request))
            return _told(request, error)

        return answering(handle, refuse)

    def _admit(self, request: web.Request, token: str | None) -> str | None:
        """The client's token. Raises `SessionRefused` when no session would be opened now, before the upload is
        read."""
        self._sessions.check(transport="openai", peer=peer_of(request), token=token)
        return token


def _told(request: web.Request, error: SessionError) -> web.Response:
    """The answer where an error turns nobody away: no session was asked for."""
    return refused(error)


async def _text(request: web.Request) -> str:
    """The body of `request`. Raises `ApiError`."""
    try:
        return await request.text()
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(413, f"the body is too large: {error.text}", code="message_too_big") from None
    except (LookupError, UnicodeDecodeError, web.RequestPayloadError, HttpProcessingError) as error:
        raise ApiError(400, f"the body cannot be read: {error}", code="invalid_json") from error


def _subprotocol_token(offered: Iterable[str]) -> str | None:
    """The token among the subprotocols: browsers can send it in no other way."""
    return next((part.removeprefix(KEY_PROTOCOL) for part in offered if part.startswith(KEY_PROTOCOL)), None)
