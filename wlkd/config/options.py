"""What the configuration can say about the core, with defaults that are right for production.

The options of a component are described by its own `Config`, beside the code that reads them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from wlkd.config.messages import mistake_at
from wlkd.contract.components import Options, shown
from wlkd.contract.types import ChineseScript, LanguageScope, Task

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _language_code(text: str) -> str:
    if not re.fullmatch("[a-z]{2,3}", text):
        code = re.fullmatch("([A-Za-z]{2,3})([-_].+)?", text)
        remedy = f"; write {code[1].lower()}" if code else ""
        if code and code[1].lower() == "zh" and code[2]:
            remedy += ", and recognition.chinese_script says in which characters"
        raise ValueError(f'"{text}" is not an ISO 639-1 code, like en{remedy}')
    return text


LanguageCode = Annotated[str, AfterValidator(_language_code)]

DEFAULT_ENGINE = "default"
"""What the backend under `backend:` is called among engines."""


class ServerOptions(Options):
    """The HTTP server that HTTP transports share."""

    host: str = Field(
        default="0.0.0.0",
        description="Address to listen on; 127.0.0.1 keeps other machines out.",
        json_schema_extra=shown(decide=True),
    )
    port: int = Field(
        default=7100,
        ge=1,
        le=65535,
        description="TCP port of the page, the WebSocket and the metrics.",
        json_schema_extra=shown(decide=True),
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain; null: plain HTTP. Browsers let a page use the microphone "
        "only over HTTPS or on localhost. A name without a folder is a systemd credential "
        "(LoadCredential=).",
    )
    tls_key: Path | None = Field(
        default=None,
        description="PEM file with the key of tls_certificate; a name without a folder is a systemd credential.",
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description="Origins of web pages that may connect besides wlkd's own page, like https://example.org; empty: "
        "all may. Its own page belongs into the list if people open it over plain HTTP by a name with a dot.",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, found, host = origin.partition("://")
            if not (scheme and found and host) or "/" in host:
                raise ValueError(f'"{origin}" is not an origin: write scheme and host, like https://example.org')
        return origins

    @model_validator(mode="after")
    def _tls_is_a_pair(self) -> ServerOptions:
        if self.tls_certificate and not self.tls_key:
            raise mistake_at("tls_certificate", "needs tls_key beside it")
        if self.tls_key and not self.tls_certificate:
            raise mistake_at("tls_key", "needs tls_certificate beside it")
        return self


class SessionOptions(Options):
    """How many sessions there may be, how long they may take, and how lines are cut."""

    max_sessions: Count | Literal["auto"] = Field(
        default="auto",
        description="How many streams may be open at a time; further ones are refused. auto: as many as the hardware"
        " keeps up with.",
        json_schema_extra=shown(decide=True),
    )
    max_sessions_per_address: Count | None = Field(
        default=None,
        description="How many streams one client address may open at a time; null: no limit, which you need behind a "
        "reverse proxy.",
    )
    max_backlog_seconds: Seconds = Field(
        default=30.0,
        description="How much audio of a stream may wait for recognition; if there is more, the client is slowed down "
        "through TCP.",
    )
    max_blocked_seconds: Seconds = Field(
        default=60.0,
        description="A session whose backlog stays at that limit for longer than this is closed with the code "
        "too_slow.",
    )
    idle_timeout_seconds: Seconds = Field(
        default=300.0, description="A session that sends nothing for longer than this is closed, to free its place."
    )
    drain_seconds: float = Field(
        default=30.0,
        ge=0,
        description="How long open sessions may take to finish when wlkd is stopped; systemd is asked to wait that "
        "long.",
    )
    linger_seconds: float = Field(
        default=0.0,
        ge=0,
        description="How long live streams that cannot resume elsewhere may continue when wlkd is stopped, before "
        "their audio is ended. Hours are possible.",
    )
    resume_seconds: float = Field(
        default=30.0,
        ge=0,
        description="How long a client that can resume (`/asr?resume=true`) keeps its place after it has lost its "
        "connection.",
    )
    line_pause_seconds: Seconds = Field(
        default=2.0, description="A gap of this length between two words starts a new line."
    )
    silence_line_seconds: Seconds = Field(
        default=5.0, description="A gap of this length is shown as a line of silence of its own."
    )
    max_line_seconds: Seconds = Field(
        default=30.0,
        le=240,  # Twice of it, in fast speech, is the most that a continuation has room for.
        description="A line of this length ends at the end of its sentence; a line of twice this length ends anywhere.",
    )

    @model_validator(mode="after")
    def _pauses_in_order(self) -> SessionOptions:
        if self.silence_line_seconds < self.line_pause_seconds:
            raise mistake_at(
                "silence_line_seconds",
                f"{self.silence_line_seconds:g} is less than line_pause_seconds ({self.line_pause_seconds:g})",
            )
        return self


class RecognitionOptions(Options):
    """What is asked of the backend where the client says nothing."""

    language: LanguageCode | Literal["auto"] = Field(
        default="auto",
        description="ISO 639-1 code, like en; auto: decided from the first speech of a session, and then kept.",
        json_schema_extra=shown(decide=True),
    )
    languages: tuple[LanguageCode, ...] = Field(
        default=(), description="Codes that auto may choose from; empty: all languages of the model except Latin."
    )
    language_scope: LanguageScope = Field(
        default="session",
        description="How often auto decides: once for the session, or anew for each segment, the speech between two "
        "pauses. segment is for meetings in several languages: list them in languages. Words after a "
        "pause then come up to 2 s later.",
    )
    task: Task = Field(default="transcribe", description="translate: write English, whatever language is spoken.")
    chinese_script: ChineseScript = Field(
        default="simplified",
        description="Characters for Chinese: simplified, traditional (as in Taiwan), traditional_hk, or as_heard: as"
        " the model writes it, which mixes them.",
    )
    initial_prompt: str = Field(
        default="",
        description="Text that the model gets as what was said before the session; it sets style and spelling, and "
        "loses its effect as text follows.",
    )
    static_prompt: str = Field(
        default="",
        description="Text that the model gets at every step; it takes room from the text that was said before.",
    )
    hotwords: tuple[str, ...] = Field(default=(), description="Names and terms to expect.")

    @model_validator(mode="after")
    def _language_is_allowed(self) -> RecognitionOptions:
        if self.languages and self.language != "auto" and self.language not in self.languages:
            raise mistake_at("language", f"{self.language} is not among recognition.languages")
        return self


class WorkerOptions(Options):
    """How audio of all sessions is cut into steps of the model."""

    # Speech comes in frames of 32 ms (Silero's), so a piece of 0.25 s, as most clients send them, brings 0.22 or 0.26 s
    # of it: with more asked for here, one piece in five made no step.
    min_chunk_seconds: Seconds = Field(
        default=0.2,
        description="New speech that a session collects before a step. A higher value saves power while there are few "
        "sessions, and words come later.",
    )
    max_chunk_seconds: Seconds = Field(
        default=3.0,
        description="New speech that one step takes at most; the rest waits for the next step, so that steps stay "
        "short.",
    )
    max_batch: Count | None = Field(
        default=None,
        description="How many sessions share one step at most; it limits the memory that is needed on the device. "
        "null: what the engine asks for; simulstreaming asks for 8 on a CPU and 16 on a GPU.",
    )
    stall_seconds: Seconds = Field(
        default=60.0,
        description="A step that takes longer than this counts as stuck: systemd's watchdog then restarts the service. "
        "The journal tells of a decoder or VAD that takes so long; the service is restarted when no thread is left for "
        "live audio.",
    )

    @model_validator(mode="after")
    def _chunks_in_order(self) -> WorkerOptions:
        if self.min_chunk_seconds > self.max_chunk_seconds:
            raise mistake_at(
                "min_chunk_seconds",
                f"{self.min_chunk_seconds:g} is more than max_chunk_seconds ({self.max_chunk_seconds:g})",
            )
        return self


class AuthOptions(Options):
    """Who may connect."""

    tokens_file: Path | None = Field(
        default=None,
        description="File with one token a line; null: everybody may connect. A name without a folder is a systemd "
        "credential.",
        json_schema_extra=shown(decide=True),
    )
    continuation_key: Path | None = Field(
        default=None,
        description="File with the secret that signs what clients need to resume; it must be the same on all "
        "machines of a fleet. null: a random secret, which no other machine knows. If the file has "
        "several lines, the first one signs and all are accepted. A name without a folder is a systemd "
        "credential.",
    )


class Settings(Options):
    """The core's part of the configuration."""

    models_dir: Path = Field(
        default=Path("/data/whisper_models"),
        description="The models folder: it holds one folder for each model.",
        json_schema_extra=shown(decide=True),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severe messages that the journal gets. debug may write what was said into it: not for "
        "production.",
    )
    server: ServerOptions = Field(
        default=ServerOptions(), description="The HTTP server of the page, the WebSocket and the metrics."
    )
    sessions: SessionOptions = Field(
        default=SessionOptions(),
        description="How many sessions there may be, how long they may take, and how lines are cut.",
    )
    recognition: RecognitionOptions = Field(
        default=RecognitionOptions(), description="What is recognized, unless the client asks for something else."
    )
    worker: WorkerOptions = Field(
        default=WorkerOptions(), description="How the audio of all sessions is cut into steps of the model."
    )
    warmup: bool = Field(
        default=True,
        description="Run the model once at the start, so that the first client need not wait for it, and measure its"
        " speed for `max_sessions: auto`, which begins with a guess otherwise.",
    )
    auth: AuthOptions = Field(default=AuthOptions(), description="Who may connect.")
    routing: dict[LanguageCode, str] = Field(
        default={},
        description="Which of `engines` recognizes a language, like {en: english, ko: korean}; `backend` recognizes "
        "the others.",
    )


class Part(Options):
    """A component and its options, an instance of its `Config`."""

    name: str
    options: SerializeAsAny[Options]


class EnginePart(Part):
    """A further backend, beside the one under `backend:`."""

    required: bool = True
    """Without it the daemon does not start; else the others go on."""


class Config(Settings):
    """The whole configuration, component options included: what `load_config` returns.

    The sections of components are extra fields, one for each kind; a `Part` where one is in use, options by name where
    several are. `one` and `many` read them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    # What pydantic asks for in order to check extra fields; pyright knows the base class's annotation only.
    __pydantic_extra__: dict[str, Part | dict[str, SerializeAsAny[Options]] | None]  # pyright: ignore[reportIncompatibleVariableOverride]

    def one(self, section: str) -> Part | None:
        """The component in use for a kind of which there is one; None: none is in use."""
        part = self.__pydantic_extra__.get(section)
        assert not isinstance(part, dict), f"{section} is a section of many"
        return part

    def many(self, section: str) -> dict[str, Options]:
        """The components in use for a kind of which there are many: options by name."""
        parts = self.__pydantic_extra__.get(section, {})
        assert isinstance(parts, dict), f"{section} is a section of one"
        return parts

    @property
    def decoders(self) -> dict[str, Options]:
        """Never empty."""
        return self.many("decoders")

    @property
    def vad(self) -> Part:
        return self._required("vad")

    @property
    def backend(self) -> Part:
        return self._required("backend")

    @property
    def engines(self) -> dict[str, Part]:
        """Every backend by its engine's name, the default one first."""
        further = {name: part for name, part in self.many("engines").items() if isinstance(part, Part)}
        return {DEFAULT_ENGINE: self.backend, **further}

    @property
    def backends(self) -> dict[str, Part]:
        """Every backend by its place in the file: `backend`, `engines.english`."""
        return {"backend" if name == DEFAULT_ENGINE else f"engines.{name}": part for name, part in self.engines.items()}

    @property
    def diarizer(self) -> Part | None:
        """None: no speakers are told apart."""
        return self.one("diarizer")

    @property
    def transports(self) -> dict[str, Options]:
        """Never empty."""
        return self.many("transports")

    def _required(self, section: str) -> Part:
        part = self.one(section)
        assert part is not None, f"{section} has a default"
        return part
