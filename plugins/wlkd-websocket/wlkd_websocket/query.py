"""What a client may ask for in the query of `/asr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wlkd import SessionError, StreamOffer

Input = Literal["container", "pcm"]
Mode = Literal["full", "diff"]

RAW_ENCODINGS = ("s16le", "s16be", "s24le", "s32le", "f32le", "u8", "mulaw", "alaw")
PCM = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)
"""What `useAudioWorklet: true` stands for, and what `format=pcm` means where nothing else is said."""

WISHES = ("language", "task", "initial_prompt", "static_prompt", "hotwords")
"""Handed to the session by name; the core knows which values are good."""


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query, checked. Names that nobody knows are ignored: deployed clients send some."""

    offer: StreamOffer
    wishes: dict[str, str]
    mode: Mode = "full"
    words: bool = False
    """Put the words, with times and confidence, into every line."""


def parse_query(query: Mapping[str, str], default_input: Input) -> Query:
    """Read the query of one connection. Raises `SessionError("bad_request")` for a value that makes no sense."""
    if query.get("target_language"):
        raise SessionError("bad_request", "target_language: translation is not configured on this server; leave it out")
    mode = _choice(query, "mode", ("full", "diff"), "full")
    return Query(
        offer=_offer(query, default_input),
        wishes={name: query[name] for name in WISHES if query.get(name)},
        mode="diff" if mode == "diff" else "full",
        words=_choice(query, "words", ("true", "false", "1", "0"), "false") in ("true", "1"),
    )


def _offer(query: Mapping[str, str], default_input: Input) -> StreamOffer:
    name = _choice(query, "format", ("container", "pcm", *RAW_ENCODINGS), default_input)
    if name == "container":
        if stray := [key for key in ("sample_rate", "channels") if query.get(key)]:
            raise SessionError(
                "bad_request", f"{stray[0]}: a container says this itself; name a raw format with it (format=s16le)"
            )
        return StreamOffer()
    return StreamOffer(
        encoding=PCM.encoding if name == "pcm" else name,
        sample_rate=_positive(query, "sample_rate", 16_000),
        channels=_positive(query, "channels", 1),
    )


def _choice(query: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = query.get(name) or default
    if value not in known:
        raise SessionError("bad_request", f"{name}={value}: unknown; known: {', '.join(known)}")
    return value


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    # str.isdigit() is true for digits that int() refuses, such as "²".
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value) > 0):
        raise SessionError("bad_request", f"{name}={value}: must be a whole number above 0")
    return int(value)
