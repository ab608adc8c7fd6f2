"""Reading events from a client that may send anything.

The `wyoming` package reads without a bound and takes a malformed event for the end of the connection; here both are
errors that are told. Its types for the events themselves are used as they are.
"""

from __future__ import annotations

import asyncio
from typing import Any

from wyoming.event import Event

from wlkd import SessionError
from wlkd.transports.client_json import parsed

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of the JSON line, and of the JSON that may follow it."""
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event; None at the end of the connection.

    `reader` is bounded to `MAX_HEADER_BYTES`. Raises `SessionError` for what is not an event, or too large.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise SessionError("message_too_big", f"the line of an event is at most {MAX_HEADER_BYTES} bytes") from None
    if not line:
        return None
    header = _object(line)
    kind = header.get("type")
    if not isinstance(kind, str):
        raise SessionError("bad_request", "an event must have a type")
    data = header.get("data") or {}
    if not isinstance(data, dict):
        raise SessionError("bad_request", f"{kind}: data must be an object")
    try:
        if more := await _read(reader, header, "data_length", MAX_HEADER_BYTES):
            data = {**data, **_object(more)}
        payload = await _read(reader, header, "payload_length", MAX_PAYLOAD_BYTES)
    except asyncio.IncompleteReadError:
        raise SessionError("bad_request", f"{kind}: the connection ended within the event") from None
    return Event(kind, data, payload)


async def _read(reader: asyncio.StreamReader, header: dict[str, Any], name: str, limit: int) -> bytes | None:
    length = header.get(name)
    if length is None:
        return None
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise SessionError("bad_request", f"{name} {length!r} is not a length")
    if length > limit:
        raise SessionError("message_too_big", f"{name} {length} is more than {limit}; send smaller events")
    return await reader.readexactly(length)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = parsed(text)
    except ValueError:
        raise SessionError(
            "bad_request", "an event must be a JSON object on a line; is this a Wyoming client?"
        ) from None
    if not isinstance(found, dict):
        raise SessionError("bad_request", "an event must be a JSON object")
    return found
