"""Live speech-to-text as a system service: the public names for plugin authors.

They are imported when they are used: the command line starts in a tenth of the time that all of them take.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wlkd.config.options import Config
    from wlkd.contract.audio import SAMPLE_RATE
    from wlkd.contract.components import (
        Backend,
        Component,
        Decoder,
        DecoderStream,
        Diarizer,
        DiarizerOptions,
        DiarizerStream,
        Filter,
        FilterOptions,
        Options,
        Recognizer,
        StepPlan,
        TextFilter,
        Translator,
        TranslatorOptions,
        Transport,
        Vad,
        VadStream,
    )
    from wlkd.contract.errors import (
        BadParameter,
        Code,
        ConfigError,
        PluginError,
        Problem,
        ProvisionError,
        SessionError,
        SessionRefused,
    )
    from wlkd.contract.host import Context, Http, Occupancy, Session, Sessions
    from wlkd.contract.types import (
        Abilities,
        Commit,
        Decoded,
        Diarization,
        DiarizationParams,
        Frame,
        Gap,
        Line,
        Note,
        Passage,
        Pause,
        RecognitionParams,
        Samples,
        SessionInfo,
        SpeechEvent,
        StreamOffer,
        Translation,
        TranslationParams,
        Turn,
        Update,
        Word,
    )
    from wlkd.hookspecs import CommandRegistry, Registry, hookimpl

__version__ = "0.2.0"

__all__ = [
    "SAMPLE_RATE",
    "Abilities",
    "Backend",
    "BadParameter",
    "Code",
    "CommandRegistry",
    "Commit",
    "Component",
    "Config",
    "ConfigError",
    "Context",
    "Decoded",
    "Decoder",
    "DecoderStream",
    "Diarization",
    "DiarizationParams",
    "Diarizer",
    "DiarizerOptions",
    "DiarizerStream",
    "Filter",
    "FilterOptions",
    "Frame",
    "Gap",
    "Http",
    "Line",
    "Note",
    "Occupancy",
    "Options",
    "Passage",
    "Pause",
    "PluginError",
    "Problem",
    "ProvisionError",
    "RecognitionParams",
    "Recognizer",
    "Registry",
    "Restart",
    "Samples",
    "Seam",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionRefused",
    "Sessions",
    "SpeechEvent",
    "StepPlan",
    "StreamOffer",
    "TakenUp",
    "TextFilter",
    "Translation",
    "TranslationParams",
    "Translator",
    "TranslatorOptions",
    "Transport",
    "Turn",
    "Update",
    "Vad",
    "VadStream",
    "Word",
    "hookimpl",
]

_HOMES = {
    "wlkd.config.options": ("Config",),
    "wlkd.contract.audio": ("SAMPLE_RATE",),
    "wlkd.contract.components": (
        "Backend",
        "Component",
        "Decoder",
        "DecoderStream",
        "Diarizer",
        "DiarizerOptions",
        "DiarizerStream",
        "Filter",
        "FilterOptions",
        "Options",
        "Recognizer",
        "StepPlan",
        "TextFilter",
        "Translator",
        "TranslatorOptions",
        "Transport",
        "Vad",
        "VadStream",
    ),
    "wlkd.contract.errors": (
        "BadParameter",
        "Code",
        "ConfigError",
        "PluginError",
        "Problem",
        "ProvisionError",
        "SessionError",
        "SessionRefused",
    ),
    "wlkd.contract.host": (
        "Context",
        "Http",
        "Occupancy",
        "Session",
        "Sessions",
    ),
    "wlkd.contract.types": (
        "Abilities",
        "Commit",
        "Decoded",
        "Diarization",
        "DiarizationParams",
        "Frame",
        "Gap",
        "Line",
        "Note",
        "Passage",
        "Pause",
        "RecognitionParams",
        "Restart",
        "Samples",
        "Seam",
        "SessionInfo",
        "SpeechEvent",
        "StreamOffer",
        "TakenUp",
        "Translation",
        "TranslationParams",
        "Turn",
        "Update",
        "Word",
    ),
    "wlkd.hookspecs": (
        "CommandRegistry",
        "Registry",
        "hookimpl",
    ),
}
"""Which module each name comes from."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
