"""What a client sets in its session, in today's shape and in that of the beta."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from wlkd import BadParameter, StreamOffer
from wlkd.contract.languages import known_language
from wlkd_openai.errors import ApiError
from wlkd_openai.form import wanted_language


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Pcm(_Strict):
    type: Literal["audio/pcm"] = "audio/pcm"
    rate: int = Field(default=24_000, ge=8_000, le=96_000)


class G711(_Strict):
    type: Literal["audio/pcmu", "audio/pcma"]
    rate: Literal[8_000] = 8_000


class Transcription(_Strict):
    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    keywords: list[str] = []
    languages: list[str] = []
    delay: str | None = None


EAGERNESS = {"low": 8.0, "medium": 4.0, "high": 2.0, "auto": 4.0}
"""Seconds of silence, as the API has them."""


class TurnDetection(_Strict):
    """When a turn ends is decided by the daemon's VAD; its tuning by a client is accepted and has no effect."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = Field(default=None, ge=0, le=1)
    prefix_padding_ms: int | None = Field(default=None, ge=0)
    silence_duration_ms: int | None = Field(default=None, ge=0)
    idle_timeout_ms: int | None = Field(default=None, ge=0)
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


COMMITTED_BY_CLIENTS = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models of OpenAI that find no turns: their clients commit each turn, and leave `turn_detection` out."""


def _usual_turns(input: dict[str, Any]) -> TurnDetection | None:
    """What `turn_detection` is where a client leaves it out; `input`: the fields before it."""
    model = (input.get("transcription") or Transcription()).model or ""
    return None if model.startswith(COMMITTED_BY_CLIENTS) else TurnDetection()


def _format_tag(value: Any) -> str:
    """Which format is meant, so that a mistake in it is reported once, not twice."""
    if isinstance(value, dict):
        return "g711" if value.get("type") in ("audio/pcmu", "audio/pcma") else "pcm"
    return "g711" if isinstance(value, G711) else "pcm"


class Input(_Strict):
    format: Annotated[Annotated[Pcm, Tag("pcm")] | Annotated[G711, Tag("g711")], Discriminator(_format_tag)] = Pcm()
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = Field(default_factory=_usual_turns)
    noise_reduction: dict[str, str] | None = None


class Audio(_Strict):
    input: Input = Input()


class Settings(_Strict):
    """A transcription session."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: list[Literal["item.input_audio_transcription.logprobs"]] = []

    @property
    def offer(self) -> StreamOffer:
        """What the audio is."""
        format = self.audio.input.format
        encoding = {"audio/pcm": "s16le", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}[format.type]
        return StreamOffer(encoding=encoding, sample_rate=format.rate, channels=1)

    @property
    def model(self) -> str:
        """As the client calls it; may be empty."""
        return (self.audio.input.transcription or Transcription()).model or ""

    @property
    def query(self) -> dict[str, str]:
        """What is asked of the recognition besides the model, for `Sessions.open`."""
        wished = self.audio.input.transcription or Transcription()
        query = {
            "initial_prompt": wished.prompt or "",
            "hotwords": ",".join(wished.keywords),
        }
        chosen = wanted_language(wished.language, wished.languages)
        return {**chosen, **{name: value for name, value in query.items() if value}}

    @property
    def finds_turns(self) -> bool:
        """Whether pauses end a turn; else the client commits."""
        return self.audio.input.turn_detection is not None

    @property
    def unsure_seconds(self) -> float | None:
        """`semantic_vad`: silence that ends a turn which is not over by sense."""
        detection = self.audio.input.turn_detection
        if detection is None or detection.type != "semantic_vad":
            return None
        return EAGERNESS[detection.eagerness or "auto"]

    def naming(self, model: str, languages: Collection[str]) -> Settings:
        """With the `model` that the address names, unless one was set."""
        if self.model or not model:
            return self
        return self.updated({"audio": {"input": {"transcription": {"model": model}}}}, languages)

    def updated(self, change: Any, languages: Collection[str]) -> Settings:
        """With what the `session` of a `session.update` says. Raises `ApiError`."""
        if not isinstance(change, dict):
            raise ApiError(400, "'session' must be an object", code="invalid_type", param="session")
        try:
            settings = Settings.model_validate(_merged(self.model_dump(exclude_unset=True), change))
        except ValidationError as error:
            raise _mistake(error) from None
        for language in (settings.query.get("language", "auto"), *settings.query.get("languages", "auto").split(",")):
            if language != "auto":
                _check_language(language, languages)
        return settings


def _check_language(language: str, known: Collection[str]) -> None:
    try:
        known_language(language, known)
    except BadParameter as error:
        where = "session.audio.input.transcription.language"
        raise ApiError(400, error.message, code="invalid_value", param=where) from None


BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
BETA_NAMES = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
    "input_audio_noise_reduction": "noise_reduction",
}


def updated_by_beta(settings: Settings, change: Any, languages: Collection[str]) -> Settings:
    """`settings` with what the `session` of a `transcription_session.update` says. Raises `ApiError`, which names the
    fields as the beta does."""
    try:
        return settings.updated(_from_beta(change), languages)
    except ApiError as error:
        param = error.param or ""
        for beta, today in BETA_NAMES.items():
            param = param.replace(f"session.audio.input.{today}", f"session.{beta}")
        message = error.message.replace(error.param or param, param)
        raise ApiError(error.status, message, code=error.name, param=param or None) from None


def _from_beta(change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    inner = {BETA_NAMES[name]: value for name, value in change.items() if name in BETA_NAMES}
    if "format" in inner:
        name = "session.input_audio_format"
        if inner["format"] not in list(BETA_FORMATS):
            message = f"Invalid value for '{name}'; known: {', '.join(BETA_FORMATS)}."
            raise ApiError(400, message, code="invalid_value", param=name)
        inner["format"] = {"type": BETA_FORMATS[inner["format"]]}
    outer = {name: value for name, value in change.items() if name not in BETA_NAMES and name not in ("modalities",)}
    return {**outer, "audio": {"input": inner}}


def as_beta(settings: Settings, id: str, object: str) -> dict[str, Any]:
    """`settings` as the session object of the beta."""
    sound = settings.audio.input.model_dump()
    formats = {today: beta for beta, today in BETA_FORMATS.items()}
    return {
        "id": id,
        "object": object,
        "modalities": ["text"],
        **{beta: sound[today] for beta, today in BETA_NAMES.items()},
        "input_audio_format": formats[settings.audio.input.format.type],
        "include": settings.include,
        "expires_at": 0,
        "client_secret": None,
    }


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with what `new` says; a format is replaced whole."""
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict) and name != "format":
            result[name] = _merged(before, value)
        else:
            result[name] = value
    return result


def _mistake(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False, include_context=False)[0]
    path = ".".join(["session", *(str(part) for part in first["loc"] if part not in ("pcm", "g711"))])
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path)
    return ApiError(400, f"Invalid value for '{path}': {first['msg']}.", code="invalid_value", param=path)
