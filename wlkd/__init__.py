"""Live speech-to-text as a system service: the public names for plugin authors."""

from wlkd.config.options import Config
from wlkd.contract.audio import SAMPLE_RATE
from wlkd.contract.components import (
    Backend,
    Component,
    Decoder,
    DecoderStream,
    Options,
    Recognizer,
    StepPlan,
    Transport,
    Vad,
    VadStream,
)
from wlkd.contract.errors import ConfigError, PluginError, Problem, ProvisionError, SessionError
from wlkd.contract.host import Context, Http, Session, SessionRefusal, Sessions
from wlkd.contract.types import (
    Commit,
    Decoded,
    Frame,
    Gap,
    Line,
    Note,
    Pause,
    RecognitionParams,
    Samples,
    SessionInfo,
    SpeechEvent,
    StreamOffer,
    Update,
    Word,
)
from wlkd.hookspecs import CommandRegistry, Registry, hookimpl

__version__ = "0.1.0"

__all__ = [
    "SAMPLE_RATE",
    "Backend",
    "CommandRegistry",
    "Commit",
    "Component",
    "Config",
    "ConfigError",
    "Context",
    "Decoded",
    "Decoder",
    "DecoderStream",
    "Frame",
    "Gap",
    "Http",
    "Line",
    "Note",
    "Options",
    "Pause",
    "PluginError",
    "Problem",
    "ProvisionError",
    "RecognitionParams",
    "Recognizer",
    "Registry",
    "Samples",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionRefusal",
    "Sessions",
    "SpeechEvent",
    "StepPlan",
    "StreamOffer",
    "Transport",
    "Update",
    "Vad",
    "VadStream",
    "Word",
    "hookimpl",
]
