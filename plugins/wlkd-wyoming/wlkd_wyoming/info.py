"""What the server says about itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wyoming.info import AsrModel, AsrProgram, Attribution, Info

from wlkd import __version__
from wlkd.contract.host import Capabilities, EngineInfo

ATTRIBUTION = Attribution(name="wlkd", url="")


USUAL_MODELS = re.compile("wlkd")
"""The default engine, or that of the language."""


def info(capabilities: Capabilities, *, streaming: bool = True, endpointing: bool = False) -> Info:
    """The answer to `describe`: one program with a model for each engine, the first for all languages.

    `streaming`: words are sent while somebody still speaks. `endpointing`: the server ends a request when its speaker
    pauses."""
    default, *further = capabilities.engines
    models = [_model("wlkd", default, capabilities.languages)]
    models += [_model(engine.name, engine, engine.languages) for engine in further]
    program = AsrProgram(
        name="wlkd",
        attribution=ATTRIBUTION,
        installed=True,
        description="Live speech-to-text on this machine",
        version=__version__,
        models=models,
        supports_transcript_streaming=streaming,
        requires_external_vad=not endpointing,
    )
    return Info(asr=[program])


def _model(name: str, engine: EngineInfo, languages: Iterable[str]) -> AsrModel:
    return AsrModel(
        name=name,
        attribution=ATTRIBUTION,
        installed=True,
        description=str(engine),
        version=__version__,
        languages=sorted(languages),
    )
