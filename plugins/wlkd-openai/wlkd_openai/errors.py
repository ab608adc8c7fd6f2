"""Errors in the shape of the OpenAI API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from wlkd import BadParameter, Code, SessionError
from wlkd.transports.http import STATUS, error_headers


class ApiError(Exception):
    """A request that ends with an error: `status` for HTTP, `code` and `param` for programs, `message` for people."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param

    @classmethod
    def of(cls, error: SessionError) -> ApiError:
        """The same mistake, for this API's clients."""
        code = "invalid_api_key" if error.code is Code.UNAUTHORIZED else error.code.value
        param = error.name if isinstance(error, BadParameter) else None
        return cls(STATUS[error.code], error.message, code=code, param=param)

    @property
    def fields(self) -> dict[str, Any]:
        """The members of `error`."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": self.message, "type": kind, "param": self.param, "code": self.code}

    def response(self) -> web.Response:
        """The answer to a request that got none yet."""
        return web.json_response({"error": self.fields}, status=self.status)


def refused(request: web.Request, error: SessionError) -> web.Response:
    """The answer to a request that ends with `error`."""
    response = ApiError.of(error).response()
    response.headers.update(error_headers(error))
    return response
