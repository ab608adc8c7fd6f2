"""What transports need of HTTP: the client's address, the form of a refusal, and noticing a client that leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import hdrs, web

from wlkd.contract.errors import RETRY_AFTER_SECONDS, Code, SessionError, SessionRefused
from wlkd.contract.host import Sessions
from wlkd.transports.conversation import defect, is_lost, running

logger = logging.getLogger(__name__)
T = TypeVar("T")

STATUS: Mapping[Code, int] = {
    Code.BAD_REQUEST: 400,
    Code.UNDECODABLE_AUDIO: 400,
    Code.UNAUTHORIZED: 401,
    Code.IDLE_TIMEOUT: 408,
    Code.TAKEN_OVER: 409,
    Code.CANNOT_RESUME: 410,
    Code.MESSAGE_TOO_BIG: 413,
    Code.BACKEND_FAILED: 500,
    Code.INTERNAL: 500,
    Code.SERVER_FULL: 503,
    Code.DRAINING: 503,
    Code.MOVING: 503,
    Code.TOO_SLOW: 503,
}
"""HTTP status of each code."""
CLIENT_CLOSED_REQUEST = 499
"""As nginx calls it; for the access log, if any."""
WATCH_SECONDS = 0.5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refuse = Callable[[web.Request, SessionError], web.StreamResponse]


def peer_of(request: web.Request) -> str:
    """The client's address."""
    return request.remote or "unknown"


def bearer(request: web.Request, *schemes: str) -> str | None:
    """The token of an `Authorization` header, of the scheme `Bearer` unless others are named (in lower case)."""
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return value.strip() or None if scheme.lower() in (schemes or ("bearer",)) else None


def subprotocols(request: web.Request) -> list[str]:
    """What a WebSocket client offers: browsers have no other way to send a token, but the address."""
    return [part.strip() for part in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",") if part.strip()]


def error_headers(error: SessionError, scheme: str = "Bearer") -> dict[str, str]:
    """What goes with a refusal: when to come again, how to show a token."""
    status = STATUS[error.code]
    if status == 401:
        return {hdrs.WWW_AUTHENTICATE: scheme}
    if status != 503:
        return {}
    wait = error.retry_after_seconds if isinstance(error, SessionRefused) else None
    return {hdrs.RETRY_AFTER: str(RETRY_AFTER_SECONDS if wait is None else wait)}


def check_token(sessions: Sessions, token: str | None) -> None:
    """For what needs a token and no session. Raises `SessionRefused`."""
    refusal = sessions.refusal(token)
    if refusal is not None and refusal.code is Code.UNAUTHORIZED:
        raise refusal


def answering(handle: Handler, refuse: Refuse) -> Handler:
    """`handle`, with every error as `refuse` says it, and none as a traceback to the client."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            _check_encoding(request)
            return await handle(request)
        except SessionError as error:
            return refuse(request, error)
        except Exception as error:
            if is_lost(error):
                logger.info("%s: %s", request.remote, error)
                return gone(request)
            logger.exception("%s: request ended by a defect", request.remote)
            return refuse(request, defect())

    return answer


def _check_encoding(request: web.Request) -> None:
    """Raises `SessionError("bad_request")` for a compressed body, which the server unpacks for nobody."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if request.can_read_body and encoding.lower() != "identity":
        raise SessionError(
            Code.BAD_REQUEST, "the body cannot be read: it is compressed; send it without Content-Encoding"
        )


async def while_connected(request: web.Request, answer: Coroutine[Any, Any, T]) -> T:
    """What `answer` returns. Raises `ConnectionResetError` when the client leaves before."""
    async with running(answer) as (answering,), running(_left(request)) as (leaving,):
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ConnectionResetError("the client left before its transcript was ready")
        return answering.result()


async def _left(request: web.Request) -> None:
    """Returns when the client is gone."""
    # aiohttp has no event for it: it tells a handler by failing its next read or write, and there is none meanwhile.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(WATCH_SECONDS)


def gone(request: web.Request) -> web.Response:
    """What nobody will read: raising instead would put a traceback into the log for each client that leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=CLIENT_CLOSED_REQUEST)
