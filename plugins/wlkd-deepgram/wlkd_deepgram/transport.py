"""The Deepgram transport: options, routes, who may come in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from pydantic import Field

from wlkd import Http, SessionError, Sessions, Transport
from wlkd.transports.websocket import SocketOptions
from wlkd_deepgram.connection import Connection, Socket
from wlkd_deepgram.errors import refused
from wlkd_deepgram.metadata import Metadata
from wlkd_deepgram.prerecorded import Recording, too_large
from wlkd_deepgram.query import parse

logger = logging.getLogger(__name__)
MIB = 1 << 20
CLIENT_CLOSED_REQUEST = 499
"""As nginx calls it; for the access log, if any."""
PATH = "/v1/listen"


class DeepgramOptions(SocketOptions):
    """Options of the transport `deepgram`."""

    final_seconds: float = Field(
        3.0,
        ge=0,
        description="Committed words are gathered into final results of that length; 0: each commit is one.",
    )
    max_upload_bytes: int = Field(1024 * MIB, ge=1024, description="Largest recording of a POST request.")
    upload_timeout_seconds: float = Field(
        60.0, gt=0, description="A recording that stops arriving for so long is given up."
    )


Handler = Callable[[web.Request, Metadata], Awaitable[web.StreamResponse]]


class Deepgram(Transport[DeepgramOptions]):
    """`/v1/listen`: a WebSocket for live audio, POST for recordings."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        router = http.app(self.config.host, self.config.port).router
        router.add_get(PATH, _answering(self._live))
        router.add_post(PATH, _answering(self._recording))

    async def _live(self, request: web.Request, metadata: Metadata) -> web.StreamResponse:
        token, subprotocol = _token(request)
        self._check(request, token)
        socket = Socket(self.config, (subprotocol,) if subprotocol else ())
        if not socket.can_prepare(request).ok:
            raise SessionError("bad_request", "GET is for WebSockets; send recordings with POST")
        query = parse(request.query)
        peer = request.remote or "unknown"
        # Opened before the upgrade, so that a refusal has an HTTP status, which is what clients look at.
        async with self._sessions.open(
            query.offer, transport="deepgram", peer=peer, query=query.wishes, token=token
        ) as session:
            socket.headers["dg-request-id"] = metadata.request_id
            await socket.prepare(request)
            connection = Connection(socket, self.config, query, metadata, peer)
            await connection.serve(session)
        await connection.end()
        return socket

    async def _recording(self, request: web.Request, metadata: Metadata) -> web.StreamResponse:
        token, _ = _token(request)
        self._check(request, token)
        if request.content_type == "application/json":
            raise SessionError("bad_request", "this server fetches nothing from the network: send the recording itself")
        if (request.content_length or 0) > self.config.max_upload_bytes:
            raise too_large(self.config)
        content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
        query = parse(request.query, content_type if content_type.startswith(("audio/", "video/")) else None)
        async with self._sessions.open(
            query.offer,
            transport="deepgram",
            peer=request.remote or "unknown",
            query=query.wishes,
            token=token,
            priority="upload",
        ) as session:
            return await Recording(request, self.config, query, metadata).serve(session)

    def _check(self, request: web.Request, token: str | None) -> None:
        peer = request.remote or "unknown"
        refusal = self._sessions.refusal(token, peer)
        if refusal is not None:
            self._sessions.note_refusal(refusal, transport="deepgram", peer=peer)
            raise SessionError(refusal.code, refusal.message)


def _token(request: web.Request) -> tuple[str | None, str | None]:
    """The client's token, and the subprotocol to agree to: browsers can only send a token as one."""
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() in ("token", "bearer") and value.strip():
        return value.strip(), None
    offered = [part.strip() for part in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    if len(offered) == 2 and offered[0] in ("token", "bearer"):
        return offered[1], offered[0]
    return None, None


def _answering(handle: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """`handle`, with every refusal in this API's shape."""

    async def answer(request: web.Request) -> web.StreamResponse:
        metadata = Metadata()
        try:
            return await handle(request, metadata)
        except SessionError as error:
            return refused(error, metadata.request_id)
        except ConnectionError as error:
            logger.info("%s: %s", request.remote, error)
            return gone(request)
        except Exception:
            logger.exception("%s: request ended by a defect", request.remote)
            defect = SessionError("internal", "internal error; the server's log has the details")
            return refused(defect, metadata.request_id)

    return answer


def gone(request: web.Request) -> web.Response:
    """What nobody will read: raising instead would put a traceback into the log for each client that leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=CLIENT_CLOSED_REQUEST)
