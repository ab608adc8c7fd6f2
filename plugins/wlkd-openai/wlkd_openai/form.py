"""The fields of a transcription request, read and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from wlkd import BadParameter, KnownSpeaker
from wlkd.transports.channels import wanted_channels
from wlkd.transports.queries import choice, flag
from wlkd_openai.errors import ApiError
from wlkd_openai.speakers import NAMES, REFERENCES, known_speakers

Format = Literal["json", "verbose_json", "diarized_json", "text", "srt", "vtt"]
Granularity = Literal["word", "segment"]

LISTS = frozenset({"timestamp_granularities", "include", "keywords", "languages", NAMES, REFERENCES})
"""Fields that may come several times; clients write them with `[]` or without."""
OBJECTS = frozenset({"chunking_strategy"})
"""Fields that may be objects: clients write `chunking_strategy[type]`, and so on."""
NO_EFFECT = frozenset({"chunking_strategy"})
"""Known to the API, and nothing that would change the answer here."""
ONLY_TRANSCRIPTION = frozenset(
    {
        "stream",
        "timestamp_granularities",
        "keywords",
        "language",
        "languages",
        "diarize",
        NAMES,
        REFERENCES,
        "multichannel",
        "channels",
        "target_language",
    }
)
KNOWN = frozenset({"model", "prompt", "response_format", "temperature", "include"}) | ONLY_TRANSCRIPTION | NO_EFFECT

Fields = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for besides its file."""

    model: str
    """As the client calls it; may be empty."""
    query: dict[str, str] = field(default_factory=dict)
    """For `Sessions.open`."""
    format: Format = "json"
    stream: bool = False
    logprobs: bool = False
    granularities: frozenset[str] = frozenset({"segment"})
    task: Literal["transcribe", "translate"] = "transcribe"
    known_speakers: tuple[KnownSpeaker, ...] = ()

    def same_hearing(self, other: Wishes) -> bool:
        """Whether one session can serve both, which may differ in how they write it down."""
        return (self.query, self.known_speakers) == (other.query, other.known_speakers)


def field_name(name: str) -> str:
    """`timestamp_granularities[]` is `timestamp_granularities`, as is `timestamp_granularities[0]`; a member of an
    object, such as `chunking_strategy[type]`, keeps its name."""
    head, bracket, rest = name.partition("[")
    is_element = bracket and rest.endswith("]") and (rest == "]" or rest[:-1].isdigit())
    return head if is_element else name


def parse(fields: Fields, task: Literal["transcribe", "translate"]) -> Wishes:
    """Check the fields of a request. Raises `ApiError` with status 400 for the first one that makes no sense."""
    known = KNOWN if task == "transcribe" else KNOWN - ONLY_TRANSCRIPTION
    for name, values in fields.items():
        if name not in known and name.partition("[")[0] not in OBJECTS & known:
            raise ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        if len(values) > 1 and name not in LISTS:
            raise ApiError(400, f"'{name}' was given {len(values)} times.", code="duplicate_parameter", param=name)
    single = {name: next(iter(values)) for name, values in fields.items() if name not in LISTS}
    _check_temperature(single.get("temperature", ""))
    query = {"task": "translate"} if task == "translate" else {}
    query |= wanted_language(single.get("language"), fields.get("languages", ()))
    if single.get("prompt"):
        query["initial_prompt"] = single["prompt"]
    if fields.get("keywords"):
        query["hotwords"] = ",".join(fields["keywords"])
    format = choice(single, "response_format", get_args(Format), "json")
    if wanted_channels(single) is None and (format == "diarized_json" or flag(single, "diarize")):
        query["diarize"] = "true"
    friends = known_speakers(fields.get(NAMES, ()), fields.get(REFERENCES, ()))
    if friends and "diarize" not in query:
        remedy = "with response_format=diarized_json or diarize=true, and without multichannel"
        raise BadParameter(NAMES, f"{NAMES}: speakers are named {remedy}")
    if single.get("target_language"):
        query["target_language"] = single["target_language"]
    if wanted_channels(single) is not None:
        query |= {"multichannel": "true", "channels": single.get("channels", "")}
    # Only verbose_json has times in it; clients send the granularities with every format.
    granularities = fields.get("timestamp_granularities") or ("segment",)
    for granularity in granularities:
        choice({"timestamp_granularities": granularity}, "timestamp_granularities", get_args(Granularity), "")
    return Wishes(
        model=single.get("model", ""),
        query=query,
        format=format,
        stream=flag(single, "stream"),
        logprobs="logprobs" in fields.get("include", ()),
        granularities=frozenset(granularities),
        task=task,
        known_speakers=friends,
    )


def wanted_language(language: str | None, languages: Collection[str]) -> dict[str, str]:
    """What a session is to be asked for: `languages` with one code is that language, with several those to choose
    from."""
    if not language and len(languages) == 1:
        language = next(iter(languages))
    if language:
        return {"language": language}
    return {"languages": ",".join(languages)} if languages else {}


def _check_temperature(text: str) -> None:
    """Decoding is greedy; the value is checked because a client that sends nonsense wants to know."""
    try:
        good = not text or 0 <= float(text) <= 1
    except ValueError:
        good = False
    if not good:
        raise BadParameter("temperature", f"temperature={text}: must be a number from 0 to 1")
