"""Errors in the shape of the OpenAI API."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from wlkd import SessionError, SessionRefusal

STATUS = {
    "bad_request": 400,
    "undecodable_audio": 400,
    "unauthorized": 401,
    "idle_timeout": 408,
    "message_too_big": 413,
    "backend_failed": 500,
    "internal": 500,
    "server_full": 503,
    "draining": 503,
    "too_slow": 503,
}
"""HTTP status of each `SessionError` code; a code that is not listed is 500."""

RETRY_AFTER_SECONDS = 10


class ApiError(Exception):
    """A request that ends with an error: `status` for HTTP, `code` and `param` for programs, `message` for people."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param

    @classmethod
    def of(cls, error: SessionError | SessionRefusal) -> ApiError:
        """The same mistake, for this API's clients."""
        code = "invalid_api_key" if error.code == "unauthorized" else error.code
        return cls(STATUS.get(error.code, 500), error.message, code=code)

    @property
    def fields(self) -> dict[str, Any]:
        """The members of `error`."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}

    def response(self) -> web.Response:
        """The answer to a request that got none yet."""
        headers = {}
        if self.status == 503:
            headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_SECONDS)
        if self.status == 401:
            headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return web.json_response({"error": self.fields}, status=self.status, headers=headers)


INTERNAL = ApiError(500, "internal error; the server's log has the details", code="internal")
