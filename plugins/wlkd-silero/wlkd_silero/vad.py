"""Vad `silero`: passes speech on as it comes, keeps silence back, and tells the pauses.

Silero VAD: https://github.com/snakers4/silero-vad (version 6).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import Field

from wlkd import Context, Options, Vad, VadStream
from wlkd.contract.audio import samples as to_samples
from wlkd_silero.gate import Gate, GateSettings
from wlkd_silero.model import FRAME_SAMPLES, SileroModel, shipped_model
from wlkd_silero.stream import SileroStream


class SileroOptions(Options):
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Speech begins when the probability of speech reaches this value."
    )
    hysteresis: float = Field(
        0.15, ge=0, lt=1, description="Speech may have ended when the probability is this much below threshold."
    )
    min_speech_ms: int = Field(
        64,
        ge=0,
        le=1000,
        description="Sounds shorter than this are not taken for speech. It delays only the beginning of speech, by "
        "this time.",
    )
    min_silence_ms: int = Field(
        512, ge=32, description="Silence of this length is a pause; shorter silence counts as part of the speech."
    )
    speech_pad_ms: int = Field(
        300,
        ge=0,
        le=2000,
        description="Audio from before the beginning of speech that is passed on with it, because the beginning is "
        "noticed late.",
    )
    min_level_dbfs: float = Field(
        -70.0, le=0, description="Frames quieter than this count as silence, whatever the network says."
    )
    model: Path | None = Field(
        None, description="Another Silero ONNX file with the same inputs; null: the one in the package faster-whisper."
    )


def _frames(milliseconds: int) -> int:
    """Model frames in `milliseconds`, rounded up."""
    return -(-to_samples(milliseconds / 1000) // FRAME_SAMPLES)


class Silero(Vad[SileroOptions]):
    def __init__(self, config: SileroOptions) -> None:
        super().__init__(config)
        self._options = config
        self._model: SileroModel | None = None

    async def provision(self, ctx: Context) -> None:
        ctx.status("loading the Silero VAD")
        self._model = await asyncio.to_thread(lambda: SileroModel(self._options.model or shipped_model()))

    async def close(self) -> None:
        self._model = None

    def open(self) -> VadStream:
        if self._model is None:
            raise RuntimeError("open() before provision(), or after close()")
        options = self._options
        gate = Gate(
            GateSettings(
                onset=options.threshold,
                release=max(options.threshold - options.hysteresis, 0.01),
                min_speech=max(_frames(options.min_speech_ms), 1),
                min_silence=_frames(options.min_silence_ms),
            )
        )
        return SileroStream(
            self._model,
            gate,
            pad=to_samples(options.speech_pad_ms / 1000),
            min_power=10 ** (options.min_level_dbfs / 10),
        )
