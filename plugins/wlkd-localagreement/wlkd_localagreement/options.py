"""The options of the backend, with their reasons."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wlkd import Options


class LocalAgreementOptions(Options):
    """LocalAgreement-2 over faster-whisper."""

    model: str = Field(default="base", description="Size of the model: `faster-whisper-<model>` in the models folder.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="`cuda` fails if there is no GPU.")
    device_index: int = Field(default=0, ge=0, description="Which GPU.")
    compute_type: str = Field(default="auto", description="Precision; `auto`: int8 on the CPU, float16 on a GPU.")
    threads: int = Field(default=0, ge=0, description="CPU threads of one decode; 0: one per core, at most 8.")
    beam_size: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Hypotheses that are followed at once. A higher number is a little more accurate, and that many "
        "times slower.",
    )
    max_window_seconds: float = Field(
        default=12.0, ge=4, le=28, description="The window is cut when it gets longer than this."
    )
    language_seconds: float = Field(
        default=2.0,
        ge=0.5,
        description="How much speech is needed before the language is decided and words are committed.",
    )
    no_speech_probability: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="If the probability that nobody speaks is above this, improbable words are dropped as made up.",
    )
