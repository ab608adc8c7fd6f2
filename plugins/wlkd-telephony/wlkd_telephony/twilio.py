"""Twilio Media Streams: JSON messages on a WebSocket, the audio base64-encoded in them.

Source: Twilio's documentation, "Media Streams - WebSocket Messages". No I/O here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wlkd import Code, SessionError
from wlkd.transports.client_json import parsed
from wlkd_telephony.real_time import GAP_SECONDS, Raw

ENCODINGS = {"audio/x-mulaw": "mulaw", "audio/x-alaw": "alaw", "audio/x-l16": "s16le"}
TRACKS = ("inbound", "outbound")
"""Who called, and who answers: the first channel and the second."""
MAX_PARAMETERS = 64


@dataclass(frozen=True, slots=True)
class Started:
    """The call has begun."""

    call: str
    stream: str
    raw: Raw
    tracks: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`<Parameter>` elements of the TwiML: the only place for a token, since Twilio drops the query of an address."""


@dataclass(frozen=True, slots=True)
class Media:
    """Audio of one track."""

    track: str
    audio: bytes
    at: float = 0.0
    """Seconds from the start of the stream."""


class Stopped:
    """The call, or the stream, is over."""


Event = Started | Media | Stopped


class Tracks:
    """The audio of all tracks, with silence where there is none.

    One may begin later than the other, or pause, and what a congested network does not take is dropped (warning 31930).
    """

    def __init__(self, names: Sequence[str], raw: Raw) -> None:
        self._raw = raw
        self._fed = dict.fromkeys(names, 0)
        """Bytes of each."""

    def take(self, media: Media, elapsed: float) -> Iterator[tuple[str, bytes]]:
        """Tracks and their audio, with what `media` adds. `elapsed`: seconds that the call may have lasted."""
        now = self._raw.length(min(media.at, elapsed))
        for track, fed in self._fed.items():
            if now - fed >= self._raw.length(GAP_SECONDS):
                self._fed[track] = now
                for piece in self._raw.silence(now - fed):
                    yield track, piece
        if media.track in self._fed:
            self._fed[media.track] += len(media.audio)
            yield media.track, media.audio


def parse(text: str) -> Event | None:
    """What one message says; None: nothing that matters here (`connected`, `dtmf`, `mark`). Raises `SessionError`."""
    try:
        message = parsed(text)
    except ValueError:
        raise _mistake("a message must be a JSON object; is this Twilio Media Streams?") from None
    match message:
        case {"event": "start", "start": dict(start)}:
            return _started(start)
        case {"event": "media", "media": {"payload": str(payload), **media}}:
            return Media(str(media.get("track", TRACKS[0])), _decoded(payload), _seconds(media.get("timestamp")))
        case {"event": "stop"}:
            return Stopped()
        case {"event": str()}:
            return None
    raise _mistake("a message must be an object with an event; is this Twilio Media Streams?")


def _started(start: dict[str, object]) -> Started:
    match start:
        case {"mediaFormat": {"encoding": str(kind), **form}}:
            rate, channels = form.get("sampleRate", 8000), form.get("channels", 1)
        case _:
            kind, rate, channels = "audio/x-mulaw", 8000, 1
    if kind not in ENCODINGS or not isinstance(rate, int) or not isinstance(channels, int):
        raise _mistake(f"start.mediaFormat {kind!r} at {rate!r} Hz is not known; known: {', '.join(ENCODINGS)}")
    named = start.get("tracks")
    tracks = tuple(track for track in TRACKS if isinstance(named, list) and track in named)
    parameters = start.get("customParameters")
    given = parameters if isinstance(parameters, dict) else {}
    return Started(
        call=str(start.get("callSid") or start.get("streamSid") or ""),
        stream=str(start.get("streamSid") or ""),
        raw=Raw(ENCODINGS[kind], rate, channels),
        tracks=tracks or TRACKS[:1],
        parameters={str(name): str(value) for name, value in list(given.items())[:MAX_PARAMETERS]},
    )


def _seconds(milliseconds: object) -> float:
    """Of a timestamp, which comes as a text; 0: there is none."""
    text = str(milliseconds)
    return int(text) / 1000 if text.isdecimal() and len(text) < 12 else 0.0


def _decoded(payload: str) -> bytes:
    try:
        return base64.b64decode(payload, validate=True)
    except (ValueError, binascii.Error):
        raise _mistake("media.payload must be base64") from None


def _mistake(message: str) -> SessionError:
    return SessionError(Code.BAD_REQUEST, message)
