"""The fields of a transcription request, read and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from wlkd_openai.errors import ApiError

Format = Literal["json", "verbose_json", "diarized_json", "text", "srt", "vtt"]
Granularity = Literal["word", "segment"]

LISTS = frozenset({"timestamp_granularities", "include", "keywords", "languages"})
"""Fields that may come several times; clients write them with `[]` or without."""
NO_EFFECT = frozenset({"chunking_strategy", "include", "languages"})
"""Known to the API, and nothing that would change the answer here."""
ONLY_TRANSCRIPTION = frozenset({"stream", "timestamp_granularities", "keywords", "language", "diarize"})
KNOWN = frozenset({"model", "prompt", "response_format", "temperature"}) | ONLY_TRANSCRIPTION | NO_EFFECT

Fields = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for besides its file."""

    model: str
    query: dict[str, str] = field(default_factory=dict)
    """For `Sessions.open`."""
    format: Format = "json"
    stream: bool = False
    granularities: frozenset[str] = frozenset({"segment"})
    task: Literal["transcribe", "translate"] = "transcribe"


def field_name(name: str) -> str:
    """`timestamp_granularities[]` is `timestamp_granularities`, as is `timestamp_granularities[0]`."""
    head, bracket, _ = name.partition("[")
    return head if bracket and name.endswith("]") else name


def parse(fields: Fields, task: Literal["transcribe", "translate"]) -> Wishes:
    """Check the fields of a request. Raises `ApiError` with status 400 for the first one that makes no sense."""
    known = KNOWN if task == "transcribe" else KNOWN - ONLY_TRANSCRIPTION
    for name, values in fields.items():
        if name not in known:
            raise ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        if len(values) > 1 and name not in LISTS:
            raise ApiError(400, f"'{name}' was given {len(values)} times.", code="duplicate_parameter", param=name)
    single = {name: next(iter(values)) for name, values in fields.items() if name not in LISTS}
    if not single.get("model"):
        raise ApiError(400, "you must provide a model parameter", code="missing_parameter", param="model")
    _check_temperature(single.get("temperature", ""))
    query = {"task": "translate"} if task == "translate" else {}
    if single.get("language"):
        query["language"] = single["language"].lower()
    if single.get("prompt"):
        query["initial_prompt"] = single["prompt"]
    if fields.get("keywords"):
        query["hotwords"] = ",".join(fields["keywords"])
    format = _choice("response_format", single.get("response_format") or "json", get_args(Format))
    diarize = _choice("diarize", (single.get("diarize") or "false").lower(), ("true", "false", "1", "0"))
    if format == "diarized_json" or diarize in ("true", "1"):
        query["diarize"] = "true"
    granularities = fields.get("timestamp_granularities") or ("segment",)
    for granularity in granularities:
        _choice("timestamp_granularities", granularity, get_args(Granularity))
    if "timestamp_granularities" in fields and format != "verbose_json":
        raise ApiError(
            400,
            "timestamp_granularities needs response_format=verbose_json",
            code="invalid_value",
            param="timestamp_granularities",
        )
    stream = _choice("stream", (single.get("stream") or "false").lower(), ("true", "false", "1", "0")) in ("true", "1")
    return Wishes(
        model=single["model"],
        query=query,
        format=format,  # type: ignore[arg-type]
        stream=stream,
        granularities=frozenset(granularities),
        task=task,
    )


def _choice(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ApiError(
            400, f"{name}: {value!r} is not available; known: {', '.join(known)}", code="invalid_value", param=name
        )
    return value


def _check_temperature(text: str) -> None:
    """Decoding is greedy; the value is checked because a client that sends nonsense wants to know."""
    try:
        good = not text or 0 <= float(text) <= 1
    except ValueError:
        good = False
    if not good:
        raise ApiError(
            400, f"temperature: {text!r} is not a number from 0 to 1", code="invalid_value", param="temperature"
        )
