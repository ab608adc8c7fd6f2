"""What a client may ask for in the query of `/asr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from wlkd import BadParameter, StreamOffer
from wlkd.contract.types import Priority
from wlkd.transports.channels import wanted_channels
from wlkd.transports.queries import choice, flag, whole_number

Input = Literal["container", "pcm"]
Mode = Literal["full", "diff"]
Resume = Literal["no", "yes", "continue"]

RAW_ENCODINGS = ("s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "u8", "mulaw", "alaw")
PCM = StreamOffer(encoding="s16le", sample_rate=16_000, channels=1)
"""What `useAudioWorklet: true` stands for, and what `format=pcm` means where nothing else is said."""

OWN = frozenset(
    {
        "format",
        "content_type",
        "sample_rate",
        "channels",
        "multichannel",
        "mode",
        "words",
        "resume",
        "priority",
        "token",
    }
)
"""Names that are read here. All others go to the session, which ignores what it does not know: deployed clients send
some, and which filters may be wished something is known there."""
RESUME: Mapping[str, Resume] = {"true": "yes", "1": "yes", "continue": "continue", "false": "no", "0": "no"}


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query, checked."""

    offer: StreamOffer
    wishes: dict[str, str]
    mode: Mode = "full"
    channels: int | None = None
    """That are to be told apart, as speakers; None: they are mixed down."""
    words: bool = False
    """Put the words, with times and confidence, into every line."""
    resume: Resume = "no"
    """Whether the stream can go on over another connection; `continue`: this is such a connection."""
    priority: Priority = "live"
    """`upload`: a recording, for whose next word nobody waits."""


def parse_query(query: Mapping[str, str], default_input: Input) -> Query:
    """Read the query of one connection. Raises `SessionError("bad_request")` for a value that makes no sense."""
    return Query(
        offer=_offer(query, default_input),
        # By its name, not with `items()`: a name that is there twice counts once, as it does for the readers here.
        wishes={name: query[name] for name in query if query[name] and name not in OWN},
        mode=choice(query, "mode", get_args(Mode), "full"),
        channels=_channels(query),
        words=flag(query, "words"),
        resume=RESUME[choice(query, "resume", tuple(RESUME), "false")],
        priority=choice(query, "priority", get_args(Priority), "live"),
    )


def _channels(query: Mapping[str, str]) -> int | None:
    count = wanted_channels(query)
    if count is not None and flag(query, "diarize"):
        raise BadParameter("diarize", "multichannel and diarize: the channels are the speakers already")
    if count is not None and RESUME.get(query.get("resume", ""), "no") != "no":
        raise BadParameter("resume", "multichannel: such a stream cannot resume")
    return count


def _offer(query: Mapping[str, str], default_input: Input) -> StreamOffer:
    content_type = query.get("content_type")
    name = query.get("format") or ("container" if content_type else default_input)
    if content_type and name == "container":
        rate, channels = whole_number(query, "sample_rate"), whole_number(query, "channels")
        return StreamOffer(content_type, sample_rate=rate, channels=channels)
    if name == "container":
        if flag(query, "multichannel"):
            return StreamOffer(content_type)
        if stray := [key for key in ("sample_rate", "channels") if query.get(key)]:
            raise BadParameter(
                stray[0], f"{stray[0]}: a container says this itself; name a raw format with it (format=s16le)"
            )
        return StreamOffer()
    if name not in ("pcm", *RAW_ENCODINGS):
        # For the decoder of a plugin, which knows what it means where rate and channels are left out.
        rate, channels = whole_number(query, "sample_rate"), whole_number(query, "channels")
        return StreamOffer(content_type, name, rate, channels)
    return StreamOffer(
        encoding=PCM.encoding if name == "pcm" else name,
        sample_rate=whole_number(query, "sample_rate", 16_000),
        channels=whole_number(query, "channels", wanted_channels(query) or 1),
    )
