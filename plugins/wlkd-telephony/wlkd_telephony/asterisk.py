"""Asterisk's media over WebSocket (`chan_websocket`): a first text says the format, binary messages are the audio.

Source: docs.asterisk.org, "WebSocket" channel driver, and what Asterisk 22.10 sends. It makes silence by itself, takes
its commands as text, and logs a warning for any other text, so it gets none. No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass

from wlkd import Code, SessionError
from wlkd.transports.client_json import parsed
from wlkd_telephony.real_time import Raw

FORMATS = {
    "ulaw": ("mulaw", 8_000),
    "alaw": ("alaw", 8_000),
    "slin": ("s16le", 8_000),
    **{f"slin{kilo}": ("s16le", rate) for kilo, rate in ((12, 12_000), (16, 16_000), (24, 24_000), (32, 32_000))},
    **{f"slin{kilo}": ("s16le", rate) for kilo, rate in ((44, 44_100), (48, 48_000), (96, 96_000), (192, 192_000))},
}
"""Encoding and rate by Asterisk's name of a format."""
BEGIN = "MEDIA_START"


@dataclass(frozen=True, slots=True)
class Started:
    """The call has begun."""

    channel: str
    """Asterisk's unique ID of the WebSocket channel."""
    format: str

    def raw(self) -> Raw:
        """Raises `SessionError` for a format that is not known."""
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            message = f"the format {self.format} is not known: dial WebSocket/NAME/c(slin16); known: {known}"
            raise SessionError(Code.BAD_REQUEST, message)
        return Raw(*FORMATS[self.format])


def started(text: str) -> Started:
    """From the first text, of either form (`control_message_format`). Raises `SessionError`."""
    fields = _fields(text)
    if fields.get("event") != BEGIN or not fields.get("format"):
        raise SessionError(Code.BAD_REQUEST, f"the first text must be {BEGIN} with a format; is this chan_websocket?")
    return Started(fields.get("channel_id", ""), fields["format"])


def _fields(text: str) -> dict[str, str]:
    """`EVENT name:value name:value`, or the same as a JSON object."""
    if not text.startswith("{"):
        event, *pairs = text.split() or [""]
        return {"event": event, **{name: value for name, _, value in (pair.partition(":") for pair in pairs)}}
    try:
        fields = parsed(text)
    except ValueError:
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}
