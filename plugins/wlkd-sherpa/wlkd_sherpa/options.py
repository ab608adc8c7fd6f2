"""What can be said about the backend."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wlkd import Options
from wlkd.config.options import LanguageCode
from wlkd.contract.components import shown


class SherpaOptions(Options):
    """Options of the backend `sherpa`."""

    model: str = Field(
        default="sherpa-onnx-streaming",
        min_length=1,
        description="The model's folder in the models folder, as sherpa-onnx publishes it.",
        json_schema_extra=shown(decide=True),
    )
    languages: tuple[LanguageCode, ...] = Field(
        default=("en",),
        min_length=1,
        description="ISO 639-1 codes of the languages that the model was trained on, because its files do not say; "
        "the most usual one first.",
        json_schema_extra=shown(decide=True),
    )
    provider: Literal["cpu", "cuda"] = Field(
        default="cpu", description="Where it computes; cuda needs a build of sherpa-onnx with CUDA."
    )
    threads: int | None = Field(default=None, ge=1, description="Threads of a batch; null: one for each processor.")
    hotwords_unit: Literal["", "cjkchar", "bpe", "cjkchar+bpe"] = Field(
        default="",
        description="How the model writes hotwords; bpe needs bpe.vocab in the folder. Empty: hotwords have no effect. "
        "With them the model follows several paths, and words are final a second later.",
    )
    hotwords_score: float = Field(default=1.5, gt=0, description="How much a hotword is preferred, for each token.")
