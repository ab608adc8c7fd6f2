"""The shared HTTP server: one application per address, on which transports and the admin pages put their routes."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from aiohttp.typedefs import Middleware

from wlkd.contract.errors import ProvisionError
from wlkd.contract.one_line import one_line
from wlkd.daemon.origins import Origins
from wlkd.host.addresses import EVERYWHERE, refused, with_port
from wlkd.host.systemd import InheritedSockets

logger = logging.getLogger(__name__)

_REPEATED_SLASHES = re.compile(r"/{2,}")
SHUTDOWN_SECONDS = 2.0
"""What connections get after their session has ended, to read the last bytes."""
IDLE_SECONDS = 75.0
"""How long a connection may be without a request: longer than proxies keep one for the next (60 s). aiohttp's own limit
is an hour, in which clients that say nothing, with a token or without, could take every descriptor."""
UNREAD_SECONDS = 300.0
"""How long a client may leave unread what waits for it. aiohttp waits for ever, with a descriptor and the memory of the
answer. As long as a session may be silent by default: a network that fails for less ends no stream."""

Address = tuple[str, int]


@web.middleware
async def name_the_nearest(request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
    """Answer for a path or a method that nobody serves, with what there is. A client's base address is easily wrong,
    and of an answer that is no JSON OpenAI's packages show the status alone."""
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except web.HTTPMethodNotAllowed as error:
        takes = ", ".join(sorted(error.allowed_methods))
        return _nowhere(error, f"{request.method}: this path takes {takes}", {hdrs.ALLOW: takes})
    except web.HTTPNotFound as error:
        paths = [resource.canonical for resource in request.app.router.resources()]
        nearest = difflib.get_close_matches(request.path, paths, n=1, cutoff=0.8)
        return _nowhere(error, f"{one_line(request.path)} is not here" + "".join(f"; {path} is" for path in nearest))


def _nowhere(error: web.HTTPException, message: str, headers: Mapping[str, str] = {}) -> web.Response:
    fields = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return web.json_response({"error": fields}, status=error.status, headers=headers)


@web.middleware
async def collapse_slashes(request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
    """Match `//asr` as `/asr`: deployed clients join their base address and the path with one slash too many."""
    if "//" not in request.rel_url.raw_path:
        return await handler(request)  # type: ignore[no-any-return]
    path = _REPEATED_SLASHES.sub("/", request.rel_url.raw_path)
    plain = request.clone(rel_url=request.rel_url.with_path(path, encoded=True, keep_query=True))
    match = await request.app.router.resolve(plain)
    match.add_app(request.app)
    # The handler gets the request as it came: a clone has lost its connection to the protocol.
    request.match_info.update(match)
    return await match.handler(request)


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log of what goes wrong, without what clients write: where a request makes no sense, it would have the
    line at fault below a traceback, with the token in it."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **rest: Any) -> None:
        # The second: aiohttp repeats an `Expect` that it does not know, which may be bytes that are no text.
        if isinstance(exc_info, HttpProcessingError | UnicodeEncodeError):
            logger.info("request refused: peer=%s reason=bad_request (%s)", *args, type(exc_info).__name__)
        elif not isinstance(exc_info, web.RequestPayloadError):  # its handler met it too, and has told
            super().exception(msg, *args, exc_info=exc_info, **rest)


class HttpServer:
    """See `wlkd.contract.host.Http`. Routes first, then `start()`; afterwards the routes are fixed."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        allowed_origins: Collection[str] = (),
        sockets: InheritedSockets | None = None,
    ) -> None:
        self._own: Address = (host, port)
        self._tls = tls
        # Outermost first. The last one looks a handler up and calls it by itself, so nothing behind it would be asked.
        self._origins = Origins(allowed_origins)
        self._middlewares: list[Middleware] = [self._origins.check, self._count, name_the_nearest, collapse_slashes]
        self._sockets = sockets or InheritedSockets()
        self._apps: dict[Address, web.Application] = {}
        self._runners: list[web.AppRunner] = []
        self._answering = 0
        """Handlers at work: requests being answered, WebSockets that are open."""
        self._all_answered = asyncio.Event()
        self._all_answered.set()
        self._sites: list[web.BaseSite] = []
        self._listening: list[socket.socket] = []
        """Those of the sites, and those that transports listen on."""
        self.addresses: list[Address] = []
        """Where it listens, with the real ports, once started."""

    def app(self, host: str | None = None, port: int | None = None) -> web.Application:
        """The application for `host:port`; see `wlkd.contract.host.Http`."""
        address = (host or self._own[0], self._own[1] if port is None else port)
        if address not in self._apps:
            self._apps[address] = app = web.Application(middlewares=self._middlewares)
            app.on_response_prepare.append(self._origins.on_prepare)
        return self._apps[address]

    def bound_socket(self, host: str, port: int) -> socket.socket:
        """A socket bound to `host:port`; see `wlkd.contract.host.Http`."""
        sock = self._sockets.take(host, port)
        if sock is None:
            sock = bind(host, port)
        elif (held := sock.getsockname()[0]) != host and not {held, host} <= EVERYWHERE:
            logger.warning("wlkd.socket holds %s: %s of the configuration does not count", with_port(held, port), host)
        self._listening.append(sock)
        return sock

    def check_port(self) -> None:
        """Raises `ProvisionError` if its port is taken, unless systemd holds the sockets."""
        if not self._sockets.activated:
            bind(*self._own).close()

    async def start(self) -> None:
        """Listen, on the sockets that systemd holds where there are such."""
        for (host, port), app in self._apps.items():
            # Access lines per request are noise in a journal; sessions have lines of their own.
            runner = web.AppRunner(
                app,
                access_log=None,
                logger=_ServerLog(server_logger),
                shutdown_timeout=SHUTDOWN_SECONDS,
                keepalive_timeout=IDLE_SECONDS,
                # aiohttp unpacks even what no handler reads, without a break: two megabytes, from anybody, held up
                # every stream for five seconds.
                auto_decompress=False,
            )
            await runner.setup()
            self._runners.append(runner)
            listening = self.bound_socket(host, port)
            # The sockets of its connections begin with the same.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_SECONDS * 1000))
            site = web.SockSite(runner, listening, ssl_context=self._tls)
            await site.start()
            self._sites.append(site)
        self.addresses = [address[:2] for runner in self._runners for address in runner.addresses]

    async def stop_accepting(self) -> None:
        """Close the listening sockets; connections that are open go on."""
        loop = asyncio.get_running_loop()
        for sock in self._listening:
            loop.remove_reader(sock)
        # asyncio drops a connection that it has accepted if the server is closed in the turn before it gets to it.
        await asyncio.sleep(0)
        for site in self._sites:
            await site.stop()
        self._sites.clear()
        self._listening.clear()

    async def close(self) -> None:
        """Let handlers come to their end, then end everything."""
        # aiohttp's own shutdown begins by dropping whatever clients send, their answer to a close frame too: the
        # connection would stay open until its timeout, and a page would take it for alive.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._all_answered.wait()
        while self._runners:
            await self._runners.pop().cleanup()
        self._sites.clear()

    @web.middleware
    async def _count(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
        self._answering += 1
        self._all_answered.clear()
        try:
            return await handler(request)  # type: ignore[no-any-return]
        finally:
            self._answering -= 1
            if not self._answering:
                self._all_answered.set()


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket bound to `host:port`. Raises `ProvisionError` with the remedy."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ProvisionError(refused(host, port, error)) from error
    try:
        # A restart must not wait until the old connections' TIME_WAIT is over.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise ProvisionError(refused(host, port, error)) from error
    return sock
