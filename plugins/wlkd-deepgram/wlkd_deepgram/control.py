"""Control messages that change a stream, and their answers: none of them ends it."""

from __future__ import annotations

from typing import Any

from wlkd import Session, SessionError
from wlkd_deepgram.messages import Message
from wlkd_deepgram.text import FILTERS, filter_wishes

KNOWN = "KeepAlive, Finalize, CloseStream, Configure"


MOST_REPEATED = 1000
"""Characters of a message that its answer repeats."""


def unknown_type(kind: object, known: str = KNOWN) -> str:
    """What is said of a message that this server does not know."""
    return f"message type {kind!r} is not known here and has no effect; known: {known}"


def schema_error(text: str, description: str) -> Message:
    """The answer of `/v1/listen` to a text message that makes no sense; the stream goes on."""
    return {"type": "Error", "variant": "SchemaError", "description": description, "message": text[:MOST_REPEATED]}


def configured(session: Session, message: dict[str, Any], request_id: str) -> Message:
    """Change what `Configure` names, and say whether that was done."""
    if message.get("keyterms") is not None:
        return _failure(
            request_id,
            "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
            "terms to expect cannot change inside a stream; name them in the address, as keyterm",
        )
    features = message.get("features") or {}
    if not isinstance(features, dict):
        return _failure(request_id, "CONFIGURE_INTERNAL_ERROR", "features must be an object")
    for name, value in features.items():
        if name not in FILTERS or not isinstance(value, bool):
            text = f"features.{name}: not available here; known: {', '.join(FILTERS)}, each true or false"
            return _failure(request_id, "CONFIGURE_INTERNAL_ERROR", text)
    try:
        session.change(filter_wishes(features))
    except SessionError as error:
        return _failure(request_id, "CONFIGURE_INTERNAL_ERROR", error.message)
    return {"type": "ConfigureSuccess", "request_id": request_id}


def _failure(request_id: str, code: str, description: str) -> Message:
    return {"type": "ConfigureFailure", "request_id": request_id, "code": code, "description": description}
