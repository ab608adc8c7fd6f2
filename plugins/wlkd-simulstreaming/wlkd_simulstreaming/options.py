"""The options of the backend, with their reasons."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wlkd import Options
from wlkd.contract.components import shown


class SimulStreamingOptions(Options):
    """Whisper on CTranslate2 (encoder) and PyTorch (token decoder), decoded with AlignAtt."""

    model: str = Field(
        "base",
        description="Size of the model: `faster-whisper-<model>` and `pytorch-whisper-<model>` in the models folder.",
        json_schema_extra=shown(decide=True),
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "auto",
        description="`auto` takes a GPU where there is one, else the CPU; STATUS says which. `cuda` fails without one.",
        json_schema_extra=shown(decide=True),
    )
    device_index: int = Field(0, ge=0, description="Which GPU, of those in CUDA_VISIBLE_DEVICES if that is set.")
    cpu_fallback: bool = Field(
        False, description="With `auto`: use the CPU too when there is a GPU that cannot be used, instead of failing."
    )
    compute_type: str = Field(
        "auto", description="Precision of the CTranslate2 encoder; `auto`: int8 on the CPU, float16 on a GPU."
    )
    decoder_compute_type: Literal["auto", "float32", "int8"] = Field(
        "auto", description="Precision of the token decoder's weights on the CPU; `auto`: int8. A GPU uses float16."
    )
    encoder: Literal["ctranslate2", "torch"] = Field(
        "ctranslate2", description="`torch` serves devices that CTranslate2 does not, from the decoder's .pt file."
    )
    threads: int = Field(
        0,
        ge=0,
        description="CPU threads of the encoder, and from medium on of the token decoder, which does better on one "
        "otherwise; 0: one per core, at most 8.",
    )

    encode: Literal["window", "full"] = Field(
        "window",
        description="`window` encodes the speech at hand and appends the cached encoding of silence; `full` pads "
        "every step to 30 s, several times as expensive.",
        json_schema_extra=shown(group="How speech is encoded."),
    )
    padding_seconds: float = Field(1.0, ge=0.2, le=15, description="Silence encoded behind the speech at least.")
    length_step_seconds: float = Field(
        1.0,
        ge=0.02,
        le=30,
        description="Encoded lengths are rounded up to multiples of this, so that streams share encoder calls.",
    )
    min_encoded_seconds: float = Field(
        15.0,
        ge=0,
        le=30,
        description="Least audio to encode in a batch, shared by its streams, while the worker has time to spare: in a "
        "longer encoding, noisy speech is heard better.",
    )
    silence_tail_frames: int = Field(
        300, ge=0, le=1500, description="Frames (20 ms) of cached silence that the decoder sees behind the encoding."
    )

    frame_threshold: float = Field(
        15,
        ge=1,
        le=100,
        description="AlignAtt: a word that attends to the last so many frames (20 ms) waits for more audio, even if "
        "the model is sure of it.",
        json_schema_extra=shown(group="How soon a word is committed, and what a step sees."),
    )
    doubt_threshold: float = Field(
        50,
        ge=0,
        description="Further frames for each unit of doubt (negative log-probability), at most 100 in all; lower: "
        "sooner and less exact. A stretch of speech must be 1.5 times as long.",
    )
    rewind_threshold: int = Field(
        200, ge=10, description="Attention jumping back by more frames than this ends the hypothesis."
    )
    max_window_seconds: float = Field(12.0, ge=4, le=28, description="The window is cut when it grows beyond this.")
    kept_window_seconds: float = Field(
        4.0, ge=1, le=20, description="How much audio a cut leaves in the window, about."
    )
    context_tokens: int = Field(
        64, ge=0, le=200, description="Tokens of earlier text put before the window; each costs prefill time."
    )
    stuck_seconds: float = Field(
        24.0, ge=5, le=24, description="Speech without a committed word for so long resets the window and the context."
    )

    language_seconds: float = Field(
        2.0,
        ge=0.5,
        description="Speech to hear before the language is decided.",
        json_schema_extra=shown(group="How the language is decided."),
    )
    language_confidence: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Below this probability the likeliest languages are tried; where that does not help, detection "
        "listens on, to `language_limit_seconds`.",
    )
    language_limit_seconds: float = Field(5.0, ge=1, description="The language is decided by then at the latest.")

    no_speech_logprob: float = Field(
        -1.7,
        le=0,
        description="A text with a lower mean log-probability is made up; the limit rises by 0.45 with the "
        "probability that nobody speaks.",
        json_schema_extra=shown(group="What counts as made up."),
    )
