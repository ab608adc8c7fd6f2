"""Live speech-to-text as a system service: the public names for plugin authors."""

from wlkd.audio import SAMPLE_RATE
from wlkd.errors import ConfigError, PluginError, Problem, ProvisionError, SessionError
from wlkd.hookspecs import hookimpl
from wlkd.interfaces import (
    Backend,
    Component,
    Context,
    Decoder,
    DecoderStream,
    Http,
    Options,
    Recognizer,
    Session,
    SessionRefusal,
    Sessions,
    Transport,
    Vad,
    VadStream,
)
from wlkd.types import (
    Commit,
    Frame,
    Line,
    Pause,
    RecognitionParams,
    Samples,
    SessionInfo,
    SpeechEvent,
    StreamOffer,
    Update,
    Word,
)

__version__ = "0.1.0"

__all__ = [
    "SAMPLE_RATE",
    "Backend",
    "Commit",
    "Component",
    "ConfigError",
    "Context",
    "Decoder",
    "DecoderStream",
    "Frame",
    "Http",
    "Line",
    "Options",
    "Pause",
    "PluginError",
    "Problem",
    "ProvisionError",
    "RecognitionParams",
    "Recognizer",
    "Samples",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionRefusal",
    "Sessions",
    "SpeechEvent",
    "StreamOffer",
    "Transport",
    "Update",
    "Vad",
    "VadStream",
    "Word",
    "hookimpl",
]
