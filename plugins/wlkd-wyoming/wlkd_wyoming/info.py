"""What the server says about itself."""

from __future__ import annotations

from collections.abc import Collection

from wyoming.info import AsrModel, AsrProgram, Attribution, Info

from wlkd import __version__

ATTRIBUTION = Attribution(name="wlkd", url="")


def info(languages: Collection[str]) -> Info:
    """The answer to `describe`: one program with one model, the configured backend."""
    model = AsrModel(
        name="wlkd",
        attribution=ATTRIBUTION,
        installed=True,
        description="The configured backend",
        version=__version__,
        languages=sorted(languages),
    )
    program = AsrProgram(
        name="wlkd",
        attribution=ATTRIBUTION,
        installed=True,
        description="Live speech-to-text on this machine",
        version=__version__,
        models=[model],
        supports_transcript_streaming=True,
    )
    return Info(asr=[program])
