"""Errors in the shape of the OpenAI API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from wlkd import BadParameter, Code, SessionError
from wlkd.transports.http import STATUS, error_headers

CODES = {408: Code.IDLE_TIMEOUT, 413: Code.MESSAGE_TOO_BIG}
"""By HTTP status; all others are `bad_request`."""


class ApiError(SessionError):
    """A mistake that this API has its own words for: `status` for HTTP, `name` and `param` for programs."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        """`code`: its name."""
        super().__init__(CODES.get(status, Code.BAD_REQUEST), message)
        self.status = status
        self.name = code
        self.param = param


def fields_of(error: SessionError) -> dict[str, Any]:
    """The members of `error`, as this API says it."""
    match error:
        case ApiError():
            name, param = error.name, error.param
        case BadParameter():
            name, param = error.code.value, error.name
        case _:
            name, param = "invalid_api_key" if error.code is Code.UNAUTHORIZED else error.code.value, None
    kind = "invalid_request_error" if _status(error) < 500 else "server_error"
    return {"message": error.message, "type": kind, "param": param, "code": name}


def refused(error: SessionError) -> web.Response:
    """The answer to a request that ends with `error`."""
    return web.json_response({"error": fields_of(error)}, status=_status(error), headers=error_headers(error))


def _status(error: SessionError) -> int:
    return error.status if isinstance(error, ApiError) else STATUS[error.code]
