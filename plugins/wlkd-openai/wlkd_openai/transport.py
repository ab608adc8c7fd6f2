"""The OpenAI transport: options, routes, who may come in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Http, Options, SessionError, Sessions, Transport
from wlkd_openai.errors import INTERNAL, ApiError
from wlkd_openai.upload import Upload

logger = logging.getLogger(__name__)
MIB = 1 << 20


class OpenAIOptions(Options):
    """Options of the transport `openai`."""

    host: str | None = Field(None, description="Own address to listen on; null: the daemon's.")
    port: int | None = Field(None, ge=1, le=65535, description="Own port; null: the daemon's.")
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
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not take an event for so long is dropped."
    )


class OpenAI(Transport):
    """`/v1/audio/...` and `/v1/models`."""

    Config: ClassVar[type[Options]] = OpenAIOptions
    config: OpenAIOptions

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        router = http.app(self.config.host, self.config.port).router
        router.add_post("/v1/audio/transcriptions", _answering(self._transcribe))
        router.add_post("/v1/audio/translations", _answering(self._translate))
        router.add_get("/v1/models", _answering(self._list_models))
        router.add_get("/v1/models/{model}", _answering(self._describe_model))

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request)
        return await Upload(request, "transcribe", self._sessions, self.config, token).serve()

    async def _translate(self, request: web.Request) -> web.StreamResponse:
        token = self._admit(request)
        return await Upload(request, "translate", self._sessions, self.config, token).serve()

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        self._identify(request)
        return web.json_response({"object": "list", "data": [_model(name) for name in self.config.models]})

    async def _describe_model(self, request: web.Request) -> web.StreamResponse:
        self._identify(request)
        name = request.match_info["model"]
        if name not in self.config.models:
            raise ApiError(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        return web.json_response(_model(name))

    def _admit(self, request: web.Request) -> str | None:
        """The client's token. Raises `ApiError` when no session would be opened now, before the upload is read."""
        token = bearer(request)
        refusal = self._sessions.refusal(token)
        if refusal is not None:
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
            raise
        except Exception:
            logger.exception("%s: request ended by a defect", request.remote)
            return INTERNAL.response()

    return answer
