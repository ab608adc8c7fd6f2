"""The WebSocket transport: options, routes, and refusals that come in time for an HTTP status."""

from __future__ import annotations

from typing import ClassVar

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Http, Options, SessionRefusal, Sessions, Transport
from wlkd_websocket.connection import Connection, Socket
from wlkd_websocket.page import Page
from wlkd_websocket.query import Input

REFUSAL_STATUS = {"unauthorized": 401, "server_full": 503, "draining": 503}
"""HTTP status of each refusal; a code that is not listed is 503."""


class WebSocketOptions(Options):
    """Options of the transport `websocket`."""

    path: str = Field("/asr", pattern=r"^/[\w./-]+$", description="Path of the WebSocket.")
    host: str | None = Field(None, description="Own address to listen on; null: the daemon's.")
    port: int | None = Field(None, ge=1, le=65535, description="Own port; null: the daemon's.")
    page: bool = Field(True, description="Serve the built-in page at `/`.")
    input: Input = Field(
        "container",
        description=(
            "What a client sends that does not say: `container` (WebM, Ogg, MP4, ... from MediaRecorder) or "
            "`pcm` (16-bit little-endian, 16 kHz, mono; the page then records with an AudioWorklet)."
        ),
    )
    max_message_bytes: int = Field(
        16 * 2**20,
        ge=1024,
        description="Largest WebSocket message in bytes; bounds what one client can make us hold.",
    )
    ping_interval_seconds: float = Field(
        20.0, gt=0, description="Time between pings; keeps proxies from closing a connection during silence."
    )
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="A client that does not take an update for so long is dropped (`too_slow`)."
    )
    close_timeout_seconds: float = Field(
        10.0, gt=0, description="After the last message, wait so long for the client to close, then close."
    )


class WebSocket(Transport):
    """`/asr` for everything written for WhisperLiveKit, and the page that uses it."""

    Config: ClassVar[type[Options]] = WebSocketOptions
    config: WebSocketOptions

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        app = http.app(self.config.host, self.config.port)
        app.router.add_get(self.config.path, self._asr)
        if self.config.page:
            Page().add_routes(app)

    async def _asr(self, request: web.Request) -> web.StreamResponse:
        token = _token(request)
        peer = request.remote or "unknown"
        refusal = self._sessions.refusal(token, peer)
        if refusal is not None:
            return _refused(refusal)
        socket = Socket(
            max_msg_size=self.config.max_message_bytes + 1,  # aiohttp refuses what reaches its limit
            timeout=self.config.close_timeout_seconds,
            # Deflate would cost more on the event loop than it saves: audio is compressed, diff mode exists.
            compress=False,
            autoping=True,
        )
        if not socket.can_prepare(request).ok:
            return _not_a_websocket()
        await socket.prepare(request)
        await Connection(socket, self.config, self._sessions).serve(request.query, peer=peer, token=token)
        return socket


def _token(request: web.Request) -> str | None:
    """The client's token: browsers can only put it into the query, other clients have a header for it."""
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.query.get("token") or None


def _refused(refusal: SessionRefusal) -> web.Response:
    # A browser hides the status of a refused WebSocket from its page, which therefore asks again by plain GET,
    # possibly from another origin. The answer is no secret.
    headers = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    if refusal.retry_after_seconds is not None:
        headers[hdrs.RETRY_AFTER] = str(refusal.retry_after_seconds)
    if refusal.code == "unauthorized":
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return web.json_response(
        {"type": "error", "code": refusal.code, "message": refusal.message},
        status=REFUSAL_STATUS.get(refusal.code, 503),
        headers=headers,
    )


def _not_a_websocket() -> web.Response:
    return web.json_response(
        {"type": "error", "code": "bad_request", "message": "this is a WebSocket: connect with ws:// or wss://"},
        status=426,
        headers={hdrs.UPGRADE: "websocket", hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"},
    )
