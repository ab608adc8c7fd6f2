"""What a client asks for in the query of `/v1/listen`."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field

from multidict import MultiMapping

from wlkd import BadParameter, StreamOffer
from wlkd.transports.channels import wanted_channels
from wlkd.transports.queries import FALSE, TRUE, flag, whole_number
from wlkd_deepgram.text import text_wishes

RAW = {"linear16": "s16le", "linear32": "f32le", "mulaw": "mulaw", "alaw": "alaw"}
"""Encodings without a container, and wlkd's name for each. `linear32` is floating point, little-endian."""
PACKETS = "opus"
"""A message is a packet, live; or a piece of a container, as the first one shows. A recording is a container."""
CONTAINED = frozenset({"flac", "ogg-opus", "speex", "amr-nb", "amr-wb", "webm", "webm-opus"})
"""Encodings that the decoder finds by itself, in Ogg, WebM, or a file of their own."""
TELEPHONE_RATE = 8_000

NO_EFFECT = frozenset(
    [
        "version",
        "tier",
        "punctuate",
        "dictation",
        "measurements",
        "diarize_version",
        "alternatives",
        "detect_entities",
        "ner",
        "language_hint",
        "tag",
        "extra",
        "mip_opt_out",
        "no_delay",
        "container",
        "utt_split",
        "sentiment",
        "summarize",
        "topics",
        "custom_topic",
        "custom_topic_mode",
        "intents",
        "custom_intent",
        "custom_intent_mode",
    ]
)
"""Known to the API. The model punctuates and formats by itself, and adds nothing to its transcript."""
USUAL_MODELS = re.compile(
    r"(\d-)?(nova|flux|whisper|enhanced|base|general|meeting|phonecall|voicemail|finance|conversationalai|video|medical"
    r"|drivethru|automotive|atc)(-.*)?"
)
"""Deepgram's own, which mean the default engine here, or that of the language."""
REFUSED = {
    "redact": "nothing would be redacted",
    "callback": "results go to the caller only",
    "callback_method": "results go to the caller only",
}
"""Known to the API, and a mistake to ignore."""
USED = frozenset(
    [
        "model",
        "encoding",
        "sample_rate",
        "channels",
        "multichannel",
        "paragraphs",
        "smart_format",
        "token",
        "language",
        "detect_language",
        "keywords",
        "keyterm",
        "interim_results",
        "endpointing",
        "utterance_end_ms",
        "vad_events",
        "vad_turnoff",
        "utterances",
        "diarize",
        "diarize_model",
        "numerals",
        "filler_words",
        "profanity_filter",
        "replace",
        "search",
    ]
)


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query, checked."""

    offer: StreamOffer
    model: str = ""
    """As the client calls it."""
    wishes: dict[str, str] = field(default_factory=dict)
    """For `Sessions.open`."""
    interim_results: bool = False
    endpointing_ms: int | None = 10
    """Silence after which a result says `speech_final`; None: never."""
    utterance_end_ms: int | None = None
    """Silence after a word at which `UtteranceEnd` is sent; None: never."""
    vad_events: bool = False
    utterances: bool = False
    paragraphs: bool = False
    multilingual: bool = False
    """Answers name the languages."""
    channels: int | None = None
    """That are to be told apart; None: they are mixed down."""
    search: tuple[str, ...] = ()
    """Terms to look for in what was said."""


def parse(query: MultiMapping[str], content_type: str | None = None, *, live: bool = False) -> Query:
    """Read the query of one request. Raises `SessionError("bad_request")` for what makes no sense."""
    check_names(query, USED, NO_EFFECT)
    wishes = text_wishes(query)
    language = query.get("language", "")
    if language == "multi":
        wishes["language_scope"] = "segment"
        language = "auto"
    elif not language and (detectable := _detectable(query)) is not None:
        language = "auto"
        if detectable:
            wishes["languages"] = ",".join(detectable)
    if language:
        wishes["language"] = language
    # Who names a version of Deepgram's diarization asks for speakers by that.
    if flag(query, "diarize") or query.get("diarize_model"):
        wishes["diarize"] = "true"
    hotwords = [*query.getall("keyterm", []), *map(_unboosted, query.getall("keywords", []))]
    if hotwords:
        wishes["hotwords"] = ",".join(hotwords)
    offer = audio_offer(query, content_type, live)
    return Query(
        offer=offer,
        model=query.get("model", ""),
        wishes=wishes,
        interim_results=flag(query, "interim_results"),
        endpointing_ms=_endpointing(query),
        utterance_end_ms=whole_number(query, "utterance_end_ms"),
        vad_events=flag(query, "vad_events"),
        utterances=flag(query, "utterances"),
        # Numbers and dates the model formats by itself; paragraphs are what is left of it.
        paragraphs=flag(query, "paragraphs", flag(query, "smart_format")),
        multilingual=query.get("language") == "multi",
        channels=wanted_channels(query, offer.channels or 2),
        search=tuple(query.getall("search", [])),
    )


def check_names(query: MultiMapping[str], used: Set[str], no_effect: Set[str]) -> None:
    """Raises `BadParameter` for a parameter that is neither, and for a refused one that asks for something."""
    for name, value in query.items():
        if name in REFUSED:
            if value.lower() not in ("", *FALSE):
                raise BadParameter(name, f"{name} is not available here ({REFUSED[name]}); leave it out")
        elif name not in used and name not in no_effect:
            raise BadParameter(name, f"unknown parameter {name}; known: {', '.join(sorted(used))}")


def audio_offer(query: MultiMapping[str], content_type: str | None, live: bool) -> StreamOffer:
    """What the query says of the audio. Raises `BadParameter`."""
    encoding = query.get("encoding", "").lower()
    rate, channels = whole_number(query, "sample_rate"), whole_number(query, "channels")
    if encoding == PACKETS and live:
        return StreamOffer(encoding=encoding, channels=channels)
    if not encoding or encoding in CONTAINED or encoding == PACKETS:
        # Rate and channels, which some clients send all the same, are the container's to say.
        return StreamOffer(content_type=content_type)
    if encoding not in RAW:
        # For the decoder of a plugin; the session refuses what none takes.
        return StreamOffer(content_type, encoding, rate, channels)
    if rate is None and encoding.startswith("linear"):
        raise BadParameter("encoding", f"encoding={encoding} needs sample_rate beside it")
    return StreamOffer(encoding=RAW[encoding], sample_rate=rate or TELEPHONE_RATE, channels=channels or 1)


def _detectable(query: MultiMapping[str]) -> list[str] | None:
    """The languages that one is to be found among; empty: all of them; None: none is to be found."""
    asked = query.getall("detect_language", [])
    named = [value for value in asked if value.lower() not in ("", *TRUE, *FALSE)]
    return named if named or flag(query, "detect_language") else None


def _endpointing(query: MultiMapping[str]) -> int | None:
    value = query.get("endpointing", "true").lower()
    if value == "false":
        return None
    # `vad_turnoff` had the milliseconds before `endpointing` did; FreeSWITCH's mod_deepgram_transcribe has it still.
    return whole_number(query, "vad_turnoff" if value == "true" else "endpointing", 10, least=0)


def _unboosted(keyword: str) -> str:
    """`wlkd:2` asks for the word `wlkd`; how much it is boosted is the backend's matter."""
    word, colon, boost = keyword.rpartition(":")
    return word if colon and boost.lstrip("-").replace(".", "", 1).isdigit() else keyword
