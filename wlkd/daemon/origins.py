"""Which web pages may use the server: one rule for WebSockets, to which browsers apply none, and for everything else,
where browsers ask the server first (CORS, Fetch Standard, section 3.2)."""

from __future__ import annotations

import logging
from collections.abc import Collection

from aiohttp import hdrs, web

from wlkd.contract.one_line import one_line
from wlkd.transports import notes

logger = logging.getLogger(__name__)

PREFLIGHT_SECONDS = 600
"""How long a browser may remember the answer to its question."""
READABLE_HEADERS = f"{hdrs.RETRY_AFTER}, {hdrs.WWW_AUTHENTICATE}, {notes.HEADER}, dg-error, dg-request-id"
"""Besides what every page may read of an answer."""
ASKS_FOR_PRIVATE_NETWORK = "Access-Control-Request-Private-Network"
"""Chromium's question about a page from the internet that connects to a machine inside."""


class Origins:
    """Lets in web pages of `allowed` and those served from here, or all if `allowed` is empty; programs, which send no
    Origin, come in anyway."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    @web.middleware
    async def check(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
        """Middleware: refuse other pages, and answer a browser that asks beforehand."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not self._may(origin, request.host):
            message = f"pages from {one_line(origin)} may not connect"
            logger.info("page refused: peer=%s (%.200s; see server.allowed_origins)", request.remote, message)
            return web.json_response(
                {"type": "error", "code": "forbidden_origin", "message": message, "error": message},
                status=web.HTTPForbidden.status_code,
                # A page learns by `fetch` why its WebSocket was refused.
                headers={hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"},
            )
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return _preflight(request)
        return await handler(request)  # type: ignore[no-any-return]

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Signal before any answer goes out: the page may read it."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in response.headers:
            return
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = READABLE_HEADERS
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)

    def _may(self, origin: str, host: str) -> bool:
        return not self._allowed or origin in self._allowed or _is_own(origin, host)


def _is_own(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served from here, `host` being what its browser calls us.

    Whoever owns a name can let it point here, after their own page has come from there (DNS rebinding). They have no
    certificate for us, and own neither addresses nor names without a dot.
    """
    scheme, _, place = origin.partition("://")
    name = place.rpartition(":")[0] or place
    return place == host and (scheme == "https" or "." not in name or name.rpartition(".")[2].isdecimal())


def _preflight(request: web.Request) -> web.Response:
    """Every method and header: what a route makes of them is its own matter."""
    headers: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: request.headers[hdrs.ACCESS_CONTROL_REQUEST_METHOD],
        hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
    }
    if asked := request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS):
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
    if ASKS_FOR_PRIVATE_NETWORK in request.headers:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=web.HTTPNoContent.status_code, headers=headers)
