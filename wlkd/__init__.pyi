"""The public names, each with the module that it comes from; `wlkd/__init__.py` imports them from here."""

from .config.options import (
    Config as Config,
)
from .contract.audio import (
    SAMPLE_RATE as SAMPLE_RATE,
)
from .contract.components import (
    Backend as Backend,
)
from .contract.components import (
    Component as Component,
)
from .contract.components import (
    Decoder as Decoder,
)
from .contract.components import (
    DecoderStream as DecoderStream,
)
from .contract.components import (
    Diarizer as Diarizer,
)
from .contract.components import (
    DiarizerOptions as DiarizerOptions,
)
from .contract.components import (
    DiarizerStream as DiarizerStream,
)
from .contract.components import (
    Filter as Filter,
)
from .contract.components import (
    FilterOptions as FilterOptions,
)
from .contract.components import (
    Options as Options,
)
from .contract.components import (
    Recognizer as Recognizer,
)
from .contract.components import (
    StepPlan as StepPlan,
)
from .contract.components import (
    TextFilter as TextFilter,
)
from .contract.components import (
    Translator as Translator,
)
from .contract.components import (
    TranslatorOptions as TranslatorOptions,
)
from .contract.components import (
    Transport as Transport,
)
from .contract.components import (
    TurnDetector as TurnDetector,
)
from .contract.components import (
    Vad as Vad,
)
from .contract.components import (
    VadStream as VadStream,
)
from .contract.errors import (
    BadParameter as BadParameter,
)
from .contract.errors import (
    Code as Code,
)
from .contract.errors import (
    ConfigError as ConfigError,
)
from .contract.errors import (
    PluginError as PluginError,
)
from .contract.errors import (
    Problem as Problem,
)
from .contract.errors import (
    ProvisionError as ProvisionError,
)
from .contract.errors import (
    SessionError as SessionError,
)
from .contract.errors import (
    SessionRefused as SessionRefused,
)
from .contract.host import (
    Context as Context,
)
from .contract.host import (
    Http as Http,
)
from .contract.host import (
    Occupancy as Occupancy,
)
from .contract.host import (
    Session as Session,
)
from .contract.host import (
    Sessions as Sessions,
)
from .contract.types import (
    Abilities as Abilities,
)
from .contract.types import (
    Commit as Commit,
)
from .contract.types import (
    Decoded as Decoded,
)
from .contract.types import (
    Diarization as Diarization,
)
from .contract.types import (
    DiarizationParams as DiarizationParams,
)
from .contract.types import (
    Frame as Frame,
)
from .contract.types import (
    Gap as Gap,
)
from .contract.types import (
    KnownSpeaker as KnownSpeaker,
)
from .contract.types import (
    Line as Line,
)
from .contract.types import (
    Note as Note,
)
from .contract.types import (
    Passage as Passage,
)
from .contract.types import (
    Pause as Pause,
)
from .contract.types import (
    RecognitionParams as RecognitionParams,
)
from .contract.types import (
    Restart as Restart,
)
from .contract.types import (
    Samples as Samples,
)
from .contract.types import (
    Seam as Seam,
)
from .contract.types import (
    SessionInfo as SessionInfo,
)
from .contract.types import (
    SpeechEvent as SpeechEvent,
)
from .contract.types import (
    StreamOffer as StreamOffer,
)
from .contract.types import (
    TakenUp as TakenUp,
)
from .contract.types import (
    Translation as Translation,
)
from .contract.types import (
    TranslationParams as TranslationParams,
)
from .contract.types import (
    Turn as Turn,
)
from .contract.types import (
    Update as Update,
)
from .contract.types import (
    Word as Word,
)
from .hookspecs import (
    CommandRegistry as CommandRegistry,
)
from .hookspecs import (
    Registry as Registry,
)
from .hookspecs import (
    hookimpl as hookimpl,
)

__version__: str
