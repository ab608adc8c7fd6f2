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
        description="`auto` uses a GPU if there is one, otherwise the CPU; STATUS says which. `cuda` fails without a"
        " GPU.",
        json_schema_extra=shown(decide=True),
    )
    device_index: int = Field(
        0, ge=0, description="Number of the GPU, counted from 0 among those in CUDA_VISIBLE_DEVICES if that is set."
    )
    cpu_fallback: bool = Field(
        False, description="With `auto`: use the CPU if there is a GPU that cannot be used, instead of failing."
    )
    compute_type: str = Field(
        "auto",
        description="Precision of the encoder, as CTranslate2 names it; `auto`: int8 on the CPU, float16 on a GPU.",
    )
    decoder_compute_type: Literal["auto", "float32", "int8"] = Field(
        "auto", description="Precision of the token decoder's weights on the CPU; `auto`: int8. A GPU uses float16."
    )
    encoder: Literal["ctranslate2", "torch"] = Field(
        "ctranslate2",
        description="`torch` works on devices that CTranslate2 does not support, and takes the weights from the "
        "decoder's .pt file.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="CPU threads of the CTranslate2 encoder, and from medium on of the token decoder too (for smaller "
        "models one thread is faster there); 0: one per core, at most 8.",
    )

    encode: Literal["window", "full"] = Field(
        "window",
        description="`window` encodes the speech in the window, with silence behind it that is encoded once for all; "
        "`full` pads every step to 30 s, which costs several times as much.",
        json_schema_extra=shown(group="How speech is encoded."),
    )
    padding_seconds: float = Field(
        1.0, ge=0.2, le=15, description="How much silence is encoded behind the speech at least."
    )
    length_step_seconds: float = Field(
        1.0,
        ge=0.02,
        le=30,
        description="Lengths are rounded up to multiples of this before encoding, so that streams can share encoder "
        "calls.",
    )
    min_encoded_seconds: float = Field(
        15.0,
        ge=0,
        le=30,
        description="How much audio a batch encodes at least, shared by its streams, while the worker has time to "
        "spare: noisy speech is recognized better in a longer encoding. With CTranslate2 on a CPU, models up to small "
        "then hear each window as if it were 30 s long, at the cost of its speech and half a second: any value above 0 "
        "allows that, and the two above count under load only. 0: never at length.",
    )

    frame_threshold: float = Field(
        22,
        ge=1,
        le=100,
        description="AlignAtt: a word that attends to the last frames of the audio (this number, of 20 ms each) "
        "waits for more audio; half of them count for a word that the model is certain of.",
        json_schema_extra=shown(group="How soon a word is committed, and what a step sees."),
    )
    doubt_threshold: float = Field(
        17,
        ge=0,
        description="Further frames for each unit of doubt (negative log-probability), at most 20, for which the word "
        "must also have stayed the same. Lower values bring words sooner and less accurately. A segment must be 1.5 "
        "times as long as both before its words are committed, and 4 s where the model doubts most of them.",
    )
    rewind_threshold: int = Field(
        200, ge=10, description="A hypothesis ends when its attention jumps back by more frames than this."
    )
    max_window_seconds: float = Field(8.0, ge=4, le=28, description="The window is cut when it gets longer than this.")
    kept_window_seconds: float = Field(
        3.0, ge=1, le=20, description="About how much audio stays in the window after a cut."
    )
    context_tokens: int = Field(
        64, ge=0, le=200, description="How many tokens of earlier text the model gets at each step; each costs time."
    )
    stuck_seconds: float = Field(
        24.0,
        ge=5,
        le=24,
        description="If no word is committed in this much speech, the window and the context are reset.",
    )

    language_seconds: float = Field(
        2.0,
        ge=0.5,
        description="How much speech is needed before the language is decided.",
        json_schema_extra=shown(group="How the language is decided."),
    )
    language_confidence: float = Field(
        0.8,
        ge=0,
        le=1,
        description="If the likeliest language is less probable than this, the text in the likeliest languages is "
        "compared; if that does not help, detection takes more speech, up to `language_limit_seconds`.",
    )
    language_limit_seconds: float = Field(
        5.0, ge=1, description="The language is decided after this much speech at the latest."
    )

    no_speech_logprob: float = Field(
        -1.7,
        le=0,
        description="Text with a lower mean log-probability is dropped as made up; the limit rises by up to 0.45 "
        "with the probability that nobody speaks.",
        json_schema_extra=shown(group="What counts as made up."),
    )

    @property
    def language_limits(self) -> tuple[float, float, float]:
        """`language_seconds`, `language_confidence` and `language_limit_seconds` for a live stream.

        No time is longer than a window may be: what is cut from a window says nothing about the language any more.
        """
        longest = self.max_window_seconds
        return min(self.language_seconds, longest), self.language_confidence, min(self.language_limit_seconds, longest)
