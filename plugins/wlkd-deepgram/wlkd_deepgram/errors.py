"""Errors in the shape of the Deepgram API."""

from __future__ import annotations

from aiohttp import WSCloseCode, hdrs, web

from wlkd import SessionError, SessionRefusal

STATUS = {
    "bad_request": (400, "INVALID_QUERY_PARAMETER"),
    "undecodable_audio": (400, "Bad Request"),
    "unauthorized": (401, "INVALID_AUTH"),
    "idle_timeout": (408, "SLOW_UPLOAD"),
    "message_too_big": (413, "PAYLOAD_TOO_LARGE"),
    "server_full": (503, "SERVICE_UNAVAILABLE"),
    "draining": (503, "SERVICE_UNAVAILABLE"),
    "too_slow": (503, "SERVICE_UNAVAILABLE"),
}
"""HTTP status and `err_code` of each `SessionError` code; others are an internal error."""
INTERNAL = (500, "INTERNAL_SERVER_ERROR")
RETRY_AFTER_SECONDS = 10

CLOSE = {
    "bad_request": (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    "undecodable_audio": (WSCloseCode.POLICY_VIOLATION, "DATA-0000"),
    "message_too_big": (WSCloseCode.MESSAGE_TOO_BIG, "DATA-0000"),
    "idle_timeout": (WSCloseCode.INTERNAL_ERROR, "NET-0001"),
    "draining": (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
    "too_slow": (WSCloseCode.TRY_AGAIN_LATER, "NET-0000"),
}
"""Close code and error code of each `SessionError` code on an open stream; others are NET-0000 with 1011."""
OTHERWISE = (WSCloseCode.INTERNAL_ERROR, "NET-0000")


def refused(error: SessionError | SessionRefusal, request_id: str) -> web.Response:
    """The answer to a request that gets no transcript."""
    status, code = STATUS.get(error.code, INTERNAL)
    headers = {"dg-error": _printable(error.message), "dg-request-id": request_id}
    if status == 503:
        headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = "Token"
    body = {"err_code": code, "err_msg": error.message, "request_id": request_id}
    return web.json_response(body, status=status, headers=headers)


def _printable(text: str) -> str:
    """`text` as a header may carry it."""
    return "".join(mark if mark.isascii() and mark.isprintable() else "?" for mark in text)
