"""The Deepgram transport: options, routes, who may come in."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace

from aiohttp import hdrs, web
from multidict import MultiMapping
from pydantic import Field

from wlkd import Code, Http, SessionError, Sessions, Transport
from wlkd.contract.types import Priority
from wlkd.transports.channels import Channels, open_channels
from wlkd.transports.http import answering, bearer, peer_of, subprotocols
from wlkd.transports.queries import engine_wish
from wlkd.transports.spool import Spool
from wlkd.transports.websocket import SocketOptions
from wlkd_deepgram.connection import Connection, Socket
from wlkd_deepgram.errors import refused
from wlkd_deepgram.flux.connection import FluxConnection, FluxSocket
from wlkd_deepgram.flux.query import MODELS, parse_flux
from wlkd_deepgram.metadata import Metadata, new_request_id
from wlkd_deepgram.prerecorded import Recording, too_large
from wlkd_deepgram.query import USUAL_MODELS, Query, parse

MIB = 1 << 20
PATH = "/v1/listen"
FLUX_PATH = "/v2/listen"


class DeepgramOptions(SocketOptions):
    """Options of the transport `deepgram`."""

    final_seconds: float = Field(
        3.0,
        ge=0,
        description="Committed words are collected into final results of this length; 0: each commit is a result.",
    )
    max_upload_bytes: int = Field(1024 * MIB, ge=1024, description="Largest recording of a POST request.")
    upload_timeout_seconds: float = Field(
        60.0, gt=0, description="A recording of which nothing arrives for longer than this is given up."
    )


class Deepgram(Transport[DeepgramOptions]):
    """`/v1/listen`: a WebSocket for live audio, POST for recordings. `/v2/listen`: a WebSocket for conversations."""

    async def start(self, sessions: Sessions, http: Http) -> None:
        self._sessions = sessions
        router = http.app(self.config.host, self.config.port).router
        router.add_get(PATH, answering(self._live, self._refused))
        router.add_post(PATH, answering(self._recording, self._refused))
        router.add_get(FLUX_PATH, answering(self._flux, self._refused))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        token, subprotocol = _token(request)
        peer, metadata = peer_of(request), Metadata()
        self._sessions.check(transport="deepgram", peer=peer, token=token)
        socket = Socket(self.config, (subprotocol,) if subprotocol else ())
        if not socket.can_prepare(request).ok:
            raise SessionError(Code.BAD_REQUEST, "GET is for WebSockets; send recordings with POST")
        query = self._parse(request.query, live=True)
        async with AsyncExitStack() as owner:
            # Opened before the upgrade, so that a refusal has an HTTP status, which is what clients look at.
            session = await owner.enter_async_context(self._open(query, peer, token))
            socket.headers["dg-request-id"] = metadata.request_id
            await socket.prepare(request)
            await Connection(socket, self.config, query, metadata).serve(session, owner.pop_all(), peer)
        return socket

    async def _flux(self, request: web.Request) -> web.StreamResponse:
        token, subprotocol = _token(request)
        peer = peer_of(request)
        self._sessions.check(transport="deepgram", peer=peer, token=token)
        socket = FluxSocket(self.config, (subprotocol,) if subprotocol else (), new_request_id())
        if not socket.can_prepare(request).ok:
            raise SessionError(Code.BAD_REQUEST, f"{FLUX_PATH} is for WebSockets; send recordings to {PATH}")
        query = parse_flux(request.query)
        query.wishes.update(engine_wish(query.model, self._sessions.capabilities(), MODELS))
        async with AsyncExitStack() as owner:
            session = await owner.enter_async_context(
                self._sessions.open(query.offer, transport="deepgram", peer=peer, query=query.wishes, token=token)
            )
            await socket.prepare(request)
            await FluxConnection(socket, query).serve(session, owner.pop_all(), peer)
        return socket

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        token, _ = _token(request)
        peer = peer_of(request)
        self._sessions.check(transport="deepgram", peer=peer, token=token)
        if request.content_type == "application/json":
            raise SessionError(
                Code.BAD_REQUEST, "this server fetches nothing from the network: send the recording itself"
            )
        if request.content_type == "multipart/form-data":
            # Otherwise the lines around the recording would be heard as noise, or hide what it is.
            raise SessionError(Code.BAD_REQUEST, "this is a form: send the recording itself as the body")
        if (request.content_length or 0) > self.config.max_upload_bytes:
            raise too_large(self.config)
        query = self._parse(request.query, _media_type(request))
        async with Spool() as spool:
            query = replace(query, offer=replace(query.offer, file=spool.file))
            async with self._open(query, peer, token, "upload") as session:
                return await Recording(request, self.config, query, spool).serve(session)

    def _open(
        self, query: Query, peer: str, token: str | None, priority: Priority = "live"
    ) -> AbstractAsyncContextManager[Channels]:
        return open_channels(
            self._sessions,
            query.offer,
            query.channels,
            transport="deepgram",
            peer=peer,
            query=query.wishes,
            token=token,
            priority=priority,
        )

    def _parse(self, asked: MultiMapping[str], content_type: str | None = None, *, live: bool = False) -> Query:
        """Raises `SessionError("bad_request")`."""
        query = parse(asked, content_type, live=live)
        query.wishes.update(engine_wish(query.model, self._sessions.capabilities(), USUAL_MODELS))
        return query

    def _refused(self, request: web.Request, error: SessionError) -> web.Response:
        self._sessions.turned_away(error, transport="deepgram", peer=peer_of(request))
        return refused(error, new_request_id())


def _media_type(request: web.Request) -> str | None:
    """What the client says of its recording; None: the decoder looks.

    Systems call AU files `audio/basic`, which is raw mu-law to the letter (RFC 2046); the API says that by `encoding`.
    """
    known = request.content_type.startswith(("audio/", "video/")) and request.content_type != "audio/basic"
    return request.headers[hdrs.CONTENT_TYPE] if known else None


def _token(request: web.Request) -> tuple[str | None, str | None]:
    """The client's token, and the subprotocol to agree to: browsers can only send a token as one."""
    offered = subprotocols(request)
    key = subprotocol = None
    if len(offered) == 2 and offered[0] in ("token", "bearer"):
        subprotocol, key = offered
    # Also where a proxy sends the token in the header: a browser whose offers are all left aside breaks the connection.
    return bearer(request, "token", "bearer") or request.query.get("token") or key, subprotocol
