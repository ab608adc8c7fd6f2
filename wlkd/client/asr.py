"""A small client of `/asr`, for wlkd and for the servers whose protocol it keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses
from socket import IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPIDLE, TCP_KEEPINTVL
from typing import Any

import aiohttp
from aiohttp import WSCloseCode

from wlkd.client.address import asr_address
from wlkd.contract.audio import samples
from wlkd.contract.text import joined
from wlkd.contract.types import Line, Note, Translation, Word

CONNECT_TIMEOUT_SECONDS = 10.0
SILENCE_SECONDS = 60
"""If the server sends nothing for this time, the kernel asks its host whether it is still there."""
ASK_AGAIN_SECONDS = 20
"""How often it asks while there is no answer; after nine questions in vain, Linux's own number, the connection is
lost."""
SIGN_OF_LIFE_SECONDS = 45
"""A server that can resume pings every 20 s, as shipped. One that does not is taken for lost: that costs no word."""
WITHOUT_A_REASON = {WSCloseCode.GOING_AWAY, WSCloseCode.ABNORMAL_CLOSURE, WSCloseCode.SERVICE_RESTART, None}
"""Close codes of connections that broke, or of proxies that stopped."""
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Full mode repeats the whole transcript in every update: many hours of speech must fit."""


class ClientError(Exception):
    """The stream cannot go on; the message says why, in words for the person at the terminal."""


class Refused(ClientError):
    """The server, or a proxy, takes no more streams now (HTTP 503 or 429, or close code 1013)."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Lost(ClientError):
    """The connection is gone, there was none to be had, or the server failed: perhaps the next one works."""


class Moving(Lost):
    """The server is being stopped, and the stream is to go on elsewhere."""


class CannotResume(ClientError):
    """The server makes nothing of the continuation: begin anew."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Where a stream that can resume begins; see docs/API.md."""

    header_bytes: int
    from_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """From where a stream could go on; see docs/API.md."""

    first_line: int
    header_bytes: int
    settled_bytes: int
    settled: int
    """As a sample index."""
    continuation: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """One update: the whole committed transcript and the tail that may still change."""

    lines: tuple[Line, ...]
    """Without word times in the answer, a line has one word: all of it."""
    tentative: str
    lag_seconds: float
    """The server's own estimate of the audio that it has not transcribed yet."""
    waiting: str = ""
    """Final words that wait for their speaker, before the tentative ones."""
    tentative_translation: str = ""
    """Of the sentence that is not finished."""
    new_words: tuple[Word, ...] = ()
    """The words committed since the update before, from servers that say so."""
    notes: tuple[Note, ...] = ()
    """What there is to say of the audio besides the words, from servers that say so."""
    place: Place | None = None
    """For a stream that can resume; `lines` are then those from `place.first_line` on."""

    @property
    def committed(self) -> str:
        """All lines as one text."""
        return joined(line.text for line in self.lines)


class AsrStream:
    """One audio stream to a server. Use `connect`; send from one task and read updates in another."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, takes_pcm: bool, begin: Begin | None = None) -> None:
        self._socket = socket
        self.begin = begin
        """What to send; None: the server cannot resume this stream."""
        self.takes_pcm = takes_pcm
        """The server expects raw 16-bit little-endian PCM at 16 kHz, mono; else a container such as WebM."""

    async def send(self, data: bytes) -> None:
        """Send a piece of audio; waits while the server is behind. Empty data is not sent: it would end the audio.

        Raises `ClientError` when the connection is gone.
        """
        if data:
            await self._send(data)

    async def end_audio(self) -> None:
        """No more audio: the server transcribes the rest, and `updates()` then ends."""
        await self._send(b"")

    async def _send(self, data: bytes) -> None:
        try:
            await self._socket.send_bytes(data)
        except ConnectionError as error:
            raise Lost(f"connection lost while sending: {error}") from error

    async def updates(self) -> AsyncIterator[Transcript]:
        """Every update until the server is ready to stop.

        Raises `Refused`, or `ClientError` for an error message, a connection lost, or an answer that is no JSON.
        """
        while True:
            try:
                # Pings count too. Servers that cannot resume may have nothing to say for hours.
                message = await self._socket.receive(SIGN_OF_LIFE_SECONDS if self.begin else None)
            except TimeoutError:
                raise Lost(f"connection lost: not a sign of the server for {SIGN_OF_LIFE_SECONDS} s") from None
            content = _json(message)
            match content.get("type"):
                case "ready_to_stop":
                    return
                case "moving":
                    raise Moving(str(content.get("message", "the server is being stopped")))
                case "error":
                    raise _server_error(content)
                case "transcript_update" | None:
                    yield _transcript(content)


@asynccontextmanager
async def connect(
    url: str, *, pcm: bool, wishes: Mapping[str, str] | None = None, resume: str | None = None
) -> AsyncIterator[AsrStream]:
    """Open a stream, and close it on the way out.

    `url` may be written in any way that `asr_address` understands, such as the page's address.
    `pcm` asks for raw PCM: wlkd decides per stream (`?format=`); WhisperLiveKit ignores the wish and says in its first
    message what it was started for. `wishes` go into the query too: `language`, `token`, `words`, and so on.
    `resume`: ask for a stream that can resume; with the continuation of one, go on with it.
    Raises `Refused`; `CannotResume`; `Lost` when nobody answers; `ClientError` when the server wants the other kind of
    audio.
    """
    try:
        url = asr_address(url)
    except ValueError as error:
        raise ClientError(str(error)) from error
    query = {"format": "pcm" if pcm else "container", **(wishes or {})}
    if resume is not None:
        query["resume"] = "continue" if resume else "true"
    # total=None: a stream may last for days; only reaching the server is limited, below.
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                socket = await http.ws_connect(url, params=query, max_msg_size=MAX_MESSAGE_BYTES)
        except aiohttp.WSServerHandshakeError as error:
            raise _handshake_error(url, error) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Lost(f"cannot reach {url}: {str(error) or 'no answer'}") from error
        async with socket:
            _notice_lost_host(socket)
            if resume:
                with suppress(ConnectionError):  # The first message says why.
                    await socket.send_json({"type": "resume", "continuation": resume})
            config = await _config(socket)
            takes_pcm = bool(config.get("useAudioWorklet"))
            if takes_pcm and not pcm:
                raise ClientError(f"{url} takes raw PCM only, not a container")
            if pcm and not takes_pcm:
                raise ClientError(f"{url} takes no raw PCM; start WhisperLiveKit with --pcm-input, or send WebM")
            yield AsrStream(socket, takes_pcm=takes_pcm, begin=_begin(config.get("resume")))


def _notice_lost_host(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Who waits for words hears nothing of a host that lost its power or its network: have the kernel look."""
    # Not by WebSocket pings: ours wait unread behind audio that a busy session has not taken yet, and how often the
    # server sends its own is its operator's choice. A host's kernel answers whatever its programs do.
    connection = socket.get_extra_info("socket")
    if connection is None:
        return  # Closed already; the first message says why.
    with suppress(OSError):  # The same, a moment later.
        connection.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        connection.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, SILENCE_SECONDS)
        connection.setsockopt(IPPROTO_TCP, TCP_KEEPINTVL, ASK_AGAIN_SECONDS)


async def _config(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The `config` message that opens every stream."""
    try:
        message = await socket.receive(timeout=CONNECT_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise Lost("the server accepted the connection and said nothing; is this an /asr address?") from error
    content = _json(message)
    if content.get("type") == "error":
        raise _server_error(content)
    if content.get("type") != "config":
        raise ClientError(f"the server's first message is not a config message: {content}")
    return content


def _begin(resume: Mapping[str, Any] | None) -> Begin | None:
    return None if resume is None else Begin(resume["header_bytes"], resume["from_bytes"])


def _place(content: Mapping[str, Any]) -> Place | None:
    if "continuation" not in content:
        return None
    return Place(
        content["first_line"],
        content["header_bytes"],
        content["settled_bytes"],
        samples(content["settled_seconds"]),
        content["continuation"],
    )


def _json(message: aiohttp.WSMessage) -> dict[str, Any]:
    match message.type:
        case aiohttp.WSMsgType.TEXT:
            pass
        case aiohttp.WSMsgType.CLOSE:
            raise _closed(message.data, message.extra)
        case aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED | aiohttp.WSMsgType.ERROR:
            raise Lost(f"connection lost{f': {message.data}' if message.data else ''}")
        case _:
            raise ClientError(f"the server sent a {message.type.name} message where JSON was due")
    try:
        content = json.loads(message.data)
    except ValueError as error:
        raise ClientError(f"the server sent no JSON: {message.data[:80]!r}") from error
    if not isinstance(content, dict):
        raise ClientError(f"the server sent no JSON object: {message.data[:80]!r}")
    return content


def _transcript(content: dict[str, Any]) -> Transcript:
    if content.get("error"):
        raise ClientError(str(content["error"]))
    try:
        return Transcript(
            lines=tuple(_line(line) for line in content["lines"]),
            tentative=content["buffer_transcription"] or "",
            waiting=content.get("buffer_diarization") or "",
            tentative_translation=content.get("buffer_translation") or "",
            lag_seconds=float(content["remaining_time_transcription"] or 0.0),
            new_words=_words(content.get("new_words", ())),
            notes=tuple(_note(note) for note in content.get("notes", ())),
            place=_place(content),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError(f"an update does not follow the protocol: {error!r}") from error


def _line(line: Mapping[str, Any]) -> Line:
    text = line["text"] or ""
    start = samples(line["start_seconds"]) if "start_seconds" in line else _clock(line["start"])
    end = samples(line["end_seconds"]) if "end_seconds" in line else _clock(line["end"])
    words = _words(line.get("words", ()))
    words = words or ((Word(text, start, end),) if text else ())
    return Line(start, end, words, line.get("detected_language"), _translations(line, start, end))


def _translations(line: Mapping[str, Any], start: int, end: int) -> tuple[Translation, ...]:
    """Without the times of its sentences, a line has one translation: all of it."""
    if "translations" in line:
        return tuple(
            Translation(samples(one["start"]), samples(one["end"]), one["text"]) for one in line["translations"]
        )
    whole = line.get("translation")
    return (Translation(start, end, whole),) if whole else ()


def _note(item: Mapping[str, Any]) -> Note:
    start, end = samples(item["start"]), samples(item["end"])
    return Note(item["code"], item["message"], length=end - start, start=start)


def _words(items: Iterable[Mapping[str, Any]]) -> tuple[Word, ...]:
    return tuple(
        Word(
            word["text"],
            samples(word["start"]),
            samples(word["end"]),
            word["confidence"],
            word.get("speaker"),
            word.get("speaker_confidence"),
            word.get("also_speaker"),
        )
        for word in items
    )


def _clock(text: str) -> int:
    """`H:MM:SS` as a sample index."""
    hours, minutes, rest = text.split(":")
    return samples(3600 * int(hours) + 60 * int(minutes) + float(rest))


def _server_error(content: dict[str, Any]) -> ClientError:
    message = content.get("message") or content.get("error") or "no reason given"
    code = content.get("code", "error")
    if code in ("server_full", "draining"):
        return Refused(f"{code}: {message}")
    if code == "cannot_resume":
        return CannotResume(message)
    # A machine that slept hears of the first when it wakes up. Nobody else has our continuation: what took over is a
    # connection that we gave up, and that came late.
    if code in ("idle_timeout", "too_slow", "backend_failed", "internal", "taken_over"):
        return Lost(f"{code}: {message}")
    return ClientError(f"{code}: {message}")


def _closed(code: int | None, reason: str | None) -> ClientError:
    told = f"closed by the server with {code}" + (f": {reason}" if reason else "")
    if code == WSCloseCode.TRY_AGAIN_LATER:
        return Refused(told)
    return Lost(told) if code in WITHOUT_A_REASON else ClientError(told)


def _handshake_error(url: str, error: aiohttp.WSServerHandshakeError) -> ClientError:
    # The second is a proxy's, which lets in so many a minute: after an outage all its clients come at once.
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        retry = error.headers.get("Retry-After", "") if error.headers else ""
        return Refused(
            f"{url} takes no more streams now (HTTP {error.status})", float(retry) if retry.isdigit() else None
        )
    if error.status == HTTPStatus.UNAUTHORIZED:
        return ClientError(f"{url} asks for a valid token (HTTP 401): the environment variable WLKD_TOKEN holds it")
    if error.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
        return ClientError(f"{url} is not a WebSocket (HTTP {error.status}): that of wlkd is ws://HOST:PORT/asr")
    # aiohttp's own words say no more than that it is not 101.
    told = f"{url} answered HTTP {error.status} {responses.get(error.status, '')}".rstrip()
    # From 500 on it is a proxy that finds no server behind it now, as while one restarts.
    return ClientError(told) if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else Lost(told)
