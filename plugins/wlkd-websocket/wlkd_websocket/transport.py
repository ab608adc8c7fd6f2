"""The WebSocket transport: options, routes, and refusals that come in time for an HTTP status."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Code, Http, SessionError, Sessions, Transport
from wlkd.contract.components import shown
from wlkd.transports.http import STATUS, answering, bearer, error_headers, peer_of
from wlkd.transports.websocket import SocketOptions
from wlkd_websocket.connection import Connection, Socket
from wlkd_websocket.messages import error_message
from wlkd_websocket.page import Page
from wlkd_websocket.query import Input


class WebSocketOptions(SocketOptions):
    """Options of the transport `websocket`."""

    path: str = Field("/asr", pattern=r"^/[\w./-]+$", description="Path of the WebSocket.")
    page: bool = Field(True, description="Serve the built-in page at `/`.")
    input: Input = Field(
        "container",
        description=(
            "The format of clients that do not announce one: `container` (WebM, Ogg, MP4, ... from "
            "MediaRecorder) or `pcm` (16-bit little-endian, 16 kHz, mono; the page then records with an "
            "AudioWorklet)."
        ),
        json_schema_extra=shown(decide=True),
    )


class WebSocket(Transport[WebSocketOptions]):
    """`/asr` for everything written for WhisperLiveKit, and the page that uses it."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        app = http.app(self.config.host, self.config.port)
        app.router.add_get(self.config.path, answering(self._asr, _refused))
        app.router.add_get(f"{self.config.path}/capabilities", self._capabilities)
        if self.config.page:
            Page(self.config.path).add_routes(app)

    async def _asr(self, request: web.Request) -> web.StreamResponse:
        token, peer = _token(request), peer_of(request)
        if hdrs.UPGRADE in request.headers:
            # A client that goes on may have a place here, however full it is.
            resuming = request.query.get("resume") == "continue"
            self._sessions.check(transport="websocket", peer=peer, token=token, resuming=resuming)
        elif (refusal := self._sessions.refusal(token, peer)) is not None:
            # A plain request is the page's, which asks why its socket was refused.
            raise refusal
        socket = Socket(self.config)
        if not socket.can_prepare(request).ok:
            return _not_a_websocket()
        await socket.prepare(request)
        await Connection(socket, self.config, self._sessions).serve(request.query, peer=peer, token=token)
        return socket

    async def _capabilities(self, request: web.Request) -> web.Response:
        """What a client may offer to its people. The same for everybody, and no secret."""
        fields = asdict(self._sessions.capabilities())
        return web.json_response(fields, headers={hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"})


def _token(request: web.Request) -> str | None:
    """The client's token: browsers can only put it into the query, other clients have a header for it."""
    return bearer(request) or request.query.get("token") or None


def _refused(request: web.Request, error: SessionError) -> web.Response:
    # A browser hides the status of a refused WebSocket from its page, which therefore asks again by plain GET.
    return web.json_response(text=error_message(error), status=STATUS[error.code], headers=error_headers(error))


def _not_a_websocket() -> web.Response:
    error = SessionError(Code.BAD_REQUEST, "this is a WebSocket: connect with ws:// or wss://")
    return web.json_response(text=error_message(error), status=426, headers={hdrs.UPGRADE: "websocket"})
