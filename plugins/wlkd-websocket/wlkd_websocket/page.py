"""The built-in page: plain files, nothing from outside, headers that keep it so."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from aiohttp import web

CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

HEADERS = {
    # `connect-src` is open to other WebSocket servers because the page has a field for the server's address.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; worker-src 'self'; "
        # A file to be transcribed, which the page asks for its length.
        "media-src blob:; "
        "manifest-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), display-capture=(self)",
    # Always ask, answer 304: after an upgrade nobody runs a new page with old scripts.
    "Cache-Control": "no-cache",
}


class Page:
    """Serves the files of the page at `/` and `/page/…`."""

    def __init__(self, path: str) -> None:
        """`path`: of the WebSocket."""
        self._bodies = {
            file.name: file.read_bytes()
            for file in files("wlkd_websocket").joinpath("static").iterdir()
            if "." + file.name.rpartition(".")[2] in CONTENT_TYPES
        }
        index = self._bodies["index.html"]
        self._bodies["index.html"] = index.replace(b'data-path="/asr"', f'data-path="{path}"'.encode())

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._index)
        app.router.add_get("/page/{name}", self._file)

    async def _index(self, request: web.Request) -> web.Response:
        return self._response(request, "index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._response(request, request.match_info["name"])

    def _response(self, request: web.Request, name: str) -> web.Response:
        body = self._bodies.get(name)
        if body is None:
            raise web.HTTPNotFound
        etag = hashlib.sha256(body).hexdigest()[:16]
        headers = {**HEADERS, "ETag": f'"{etag}"'}
        if any(known.value in (etag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        content_type = CONTENT_TYPES["." + name.rpartition(".")[2]]
        return web.Response(body=body, headers=headers, content_type=content_type, charset="utf-8")
