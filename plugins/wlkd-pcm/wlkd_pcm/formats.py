"""Which raw format an offer announces: by its encoding, or by a MIME type of raw audio."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from wlkd import SAMPLE_RATE, SessionError, StreamOffer
from wlkd.contract.resampling import MAX_RATE, MIN_RATE
from wlkd_pcm.encodings import ENCODINGS

MAX_CHANNELS = 64

TELEPHONE_RATE = 8_000
"""Hz, of G.711 unless said otherwise."""

MIME_ENCODINGS = {
    "audio/l16": "s16be",  # RFC 2586: network byte order
    "audio/l24": "s24be",  # RFC 3190
    "audio/basic": "mulaw",  # RFC 2046
    "audio/pcmu": "mulaw",  # RFC 4856
    "audio/x-mulaw": "mulaw",
    "audio/pcma": "alaw",  # RFC 4856
    "audio/x-alaw": "alaw",
    "audio/pcm": "s16le",  # not registered; clients that say it mean 16-bit little-endian
}


@dataclass(frozen=True, slots=True)
class Format:
    """How the bytes of a raw stream are to be read."""

    encoding: str
    sample_rate: int
    channels: int


def announced(offer: StreamOffer) -> Format | None:
    """The raw format that `offer` announces, or None if it announces none that is known here.

    Raises `SessionError("bad_request")` for a rate or a channel count that is out of bounds.
    """
    mime = Message()
    mime["Content-Type"] = offer.content_type or ""
    if offer.encoding is not None:
        encoding: str | None = offer.encoding.lower()
    else:
        encoding = MIME_ENCODINGS.get(mime.get_content_type())
    if encoding not in ENCODINGS:
        return None
    telephone = encoding in ("mulaw", "alaw")
    return Format(
        encoding,
        _within(
            "sample rate",
            offer.sample_rate,
            mime.get_param("rate", TELEPHONE_RATE if telephone else SAMPLE_RATE),
            MIN_RATE,
            MAX_RATE,
        ),
        _within("channel count", offer.channels, mime.get_param("channels", 1), 1, MAX_CHANNELS),
    )


def _within(name: str, offered: int | None, otherwise: object, low: int, high: int) -> int:
    text = str(otherwise if offered is None else offered)
    try:
        number = int(text)
    except ValueError:
        raise SessionError("bad_request", f"{name} {text!r} is not a number") from None
    if not low <= number <= high:
        raise SessionError("bad_request", f"{name} {number} is not between {low} and {high}")
    return number
