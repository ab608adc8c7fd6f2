"""Errors in the shape of the Deepgram API."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import WSCloseCode, web

from wlkd import Code, SessionError
from wlkd.transports.http import STATUS, error_headers

ERR_CODES: Mapping[Code, str] = {
    Code.BAD_REQUEST: "INVALID_QUERY_PARAMETER",
    Code.UNDECODABLE_AUDIO: "Bad Request",
    Code.UNAUTHORIZED: "INVALID_AUTH",
    Code.IDLE_TIMEOUT: "SLOW_UPLOAD",
    Code.CANNOT_RESUME: "Bad Request",
    Code.TAKEN_OVER: "Bad Request",
    Code.MESSAGE_TOO_BIG: "PAYLOAD_TOO_LARGE",
    Code.BACKEND_FAILED: "INTERNAL_SERVER_ERROR",
    Code.INTERNAL: "INTERNAL_SERVER_ERROR",
    Code.SERVER_FULL: "SERVICE_UNAVAILABLE",
    Code.DRAINING: "SERVICE_UNAVAILABLE",
    Code.MOVING: "SERVICE_UNAVAILABLE",
    Code.TOO_SLOW: "SERVICE_UNAVAILABLE",
}
"""`err_code` of each code, in the answer to a request."""

CLOSE: Mapping[Code, tuple[int, str]] = {
    Code.BAD_REQUEST: (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    Code.UNDECODABLE_AUDIO: (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    Code.UNAUTHORIZED: (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    Code.CANNOT_RESUME: (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    Code.TAKEN_OVER: (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    Code.MESSAGE_TOO_BIG: (WSCloseCode.MESSAGE_TOO_BIG, "DATA-0000"),
    Code.IDLE_TIMEOUT: (WSCloseCode.INTERNAL_ERROR, "NET-0001"),
    Code.BACKEND_FAILED: (WSCloseCode.INTERNAL_ERROR, "NET-0000"),
    Code.INTERNAL: (WSCloseCode.INTERNAL_ERROR, "NET-0000"),
    Code.SERVER_FULL: (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
    Code.DRAINING: (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
    Code.MOVING: (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
    Code.TOO_SLOW: (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
}
"""Close code and error code of each code, on an open stream."""


def refused(error: SessionError, request_id: str) -> web.Response:
    """The answer to a request that gets no transcript."""
    headers = {
        "dg-error": _printable(error.message),
        "dg-request-id": request_id,
        **error_headers(error, "Token"),
    }
    body = {"err_code": ERR_CODES[error.code], "err_msg": error.message, "request_id": request_id}
    return web.json_response(body, status=STATUS[error.code], headers=headers)


def _printable(text: str) -> str:
    """`text` as a header may carry it."""
    return "".join(mark if mark.isascii() and mark.isprintable() else "?" for mark in text)
