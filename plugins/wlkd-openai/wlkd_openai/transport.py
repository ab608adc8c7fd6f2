"""The OpenAI transport: options, routes, who may come in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Http, SessionError, Sessions, Transport
from wlkd.transports.websocket import SocketOptions
from wlkd_openai.errors import INTERNAL, ApiError
from wlkd_openai.realtime.connection import Connection, Socket
from wlkd_openai.upload import Upload

logger = logging.getLogger(__name__)
MIB = 1 << 20
CLIENT_CLOSED_REQUEST = 499
"""As nginx calls it; for the access log, if any."""
BETA_PROTOCOL = "openai-beta.realtime-v1"
KEY_PROTOCOL = "openai-insecure-api-key."


class OpenAIOptions(SocketOptions):
    """Options of the transport `openai`."""

    models: tuple[str, ...] = Field(
        ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
        min_length=1,
        description="Names that `GET /v1/models` lists. Any name is accepted, and means the configured backend.",
    )
    max_upload_bytes: int = Field(
        512 * MIB, ge=1024, description="Largest file; uploads wait for recognition in the folder for temporary files."
    )
    upload_timeout_seconds: float = Field(
        60.0, gt=0, description="An upload that stops arriving for so long is given up."
    )
    idle_timeout_seconds: float = Field(
        300.0, gt=0, description="A realtime client that has not begun to send audio for so long is disconnected."
    )


class OpenAI(Transport[OpenAIOptions]):
    """`/v1/audio/...`, `/v1/realtime` and `/v1/models`."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        router = http.app(self.config.host, self.config.port).router
        router.add_post("/v1/audio/transcriptions", _answering(self._transcribe))
        router.add_post("/v1/audio/translations", _answering(self._translate))
        router.add_get("/v1/realtime", _answering(self._realtime))
        router.add_get("/v1/models", _answering(self._list_models))
        router.add_get("/v1/models/{model}", _answering(self._describe_model))

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request)
        return await Upload(request, "transcribe", self._sessions, self.config, token).serve()

    async def _translate(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request)
        return await Upload(request, "translate", self._sessions, self.config, token).serve()

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        offered = [part.strip() for part in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
        token = self._admit(request, _subprotocol_token(offered))
        socket = Socket(self.config, ("realtime",) if "realtime" in offered else ())
        if not socket.can_prepare(request).ok:
            raise ApiError(426, "this is a WebSocket: connect with ws:// or wss://", code="upgrade_required")
        beta = "realtime=v1" in request.headers.get("OpenAI-Beta", "") or BETA_PROTOCOL in offered
        await socket.prepare(request)
        peer = request.remote or "unknown"
        await Connection(socket, self.config, self._sessions, peer=peer, token=token, beta=beta).serve()
        return socket

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        self._identify(request)
        return web.json_response({"object": "list", "data": [_model(name) for name in self.config.models]})

    async def _describe_model(self, request: web.Request) -> web.StreamResponse:
        self._identify(request)
        name = request.match_info["model"]
        if name not in self.config.models:
            raise ApiError(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        return web.json_response(_model(name))

    def _admit(self, request: web.Request, other_token: str | None = None) -> str | None:
        """The client's token. Raises `ApiError` when no session would be opened now, before the upload is read."""
        token = bearer(request) or other_token
        peer = request.remote or "unknown"
        refusal = self._sessions.refusal(token, peer)
        if refusal is not None:
            self._sessions.note_refusal(refusal, transport="openai", peer=peer)
            raise ApiError.of(refusal)
        return token

    def _identify(self, request: web.Request) -> None:
        """For what needs a token and no session."""
        refusal = self._sessions.refusal(bearer(request))
        if refusal is not None and refusal.code == "unauthorized":
            raise ApiError.of(refusal)


def bearer(request: web.Request) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def _subprotocol_token(offered: Iterable[str]) -> str | None:
    """The token among the subprotocols: browsers can send it in no other way."""
    return next((part.removeprefix(KEY_PROTOCOL) for part in offered if part.startswith(KEY_PROTOCOL)), None)


def _model(name: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wlkd"}


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _answering(handle: Handler) -> Handler:
    """`handle`, with every error in this API's shape."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handle(request)
        except ApiError as error:
            return error.response()
        except SessionError as error:
            return ApiError.of(error).response()
        except ConnectionError as error:
            logger.info("%s: %s", request.remote, error)
            return gone(request)
        except Exception:
            logger.exception("%s: request ended by a defect", request.remote)
            return INTERNAL.response()

    return answer


def gone(request: web.Request) -> web.Response:
    """What nobody will read: raising instead would put a traceback into the log for each client that leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=CLIENT_CLOSED_REQUEST)
