"""The WebSocket transport: options, routes, and refusals that come in time for an HTTP status."""

from __future__ import annotations

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Http, SessionRefusal, Sessions, Transport
from wlkd.transports.websocket import SocketOptions
from wlkd_websocket.connection import Connection, Socket
from wlkd_websocket.page import Page
from wlkd_websocket.query import Input

REFUSAL_STATUS = {"unauthorized": 401, "server_full": 503, "draining": 503}
"""HTTP status of each refusal; a code that is not listed is 503."""


class WebSocketOptions(SocketOptions):
    """Options of the transport `websocket`."""

    path: str = Field("/asr", pattern=r"^/[\w./-]+$", description="Path of the WebSocket.")
    page: bool = Field(True, description="Serve the built-in page at `/`.")
    input: Input = Field(
        "container",
        description=(
            "What a client sends that does not say: `container` (WebM, Ogg, MP4, ... from MediaRecorder) or "
            "`pcm` (16-bit little-endian, 16 kHz, mono; the page then records with an AudioWorklet)."
        ),
    )


class WebSocket(Transport[WebSocketOptions]):
    """`/asr` for everything written for WhisperLiveKit, and the page that uses it."""

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
            # A plain request is the page's, which asks why its socket was refused.
            if hdrs.UPGRADE in request.headers:
                self._sessions.note_refusal(refusal, transport="websocket", peer=peer)
            return _refused(refusal)
        socket = Socket(self.config)
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
