"""The backend: decodes every stream's window with faster-whisper, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from wlkd_whisper.cuda import cublas_fault
from wlkd_whisper.folder import encoder_dir
from wlkd_whisper.pairs import check_encoder
from wlkd_whisper.stepwise import SteppedBackend, SteppedStream

from wlkd import (
    Abilities,
    Context,
    Frame,
    ProvisionError,
    RecognitionParams,
    SessionError,
    StepPlan,
    Word,
)
from wlkd.contract.audio import SAMPLE_RATE, samples
from wlkd_localagreement.options import LocalAgreementOptions
from wlkd_localagreement.stream import Conclusion, Heard, State, Step, conclude, is_sure, prompt

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MEMORY_OF_FILE = 1.5
"""Peak of memory over the size of the model's file while it is converted to the compute type."""
LEAST_SAMPLES = samples(0.1)
"""Shorter stretches hold no word."""
MAX_PROMPT_TOKENS = 160
"""Of Whisper's 448; up to 223 of earlier text may stand beside them, and what is said needs the rest."""


class LocalAgreement(SteppedBackend[LocalAgreementOptions, RecognitionParams, State]):
    """Whisper through faster-whisper alone: no PyTorch, every window decoded anew."""

    abilities = Abilities(detects_language=True)

    def __init__(self, config: LocalAgreementOptions) -> None:
        super().__init__(config)
        self._model: WhisperModel | None = None

    async def provision(self, ctx: Context) -> None:
        problems = check_encoder(ctx.models_dir, self.config.model)
        if problems:
            raise ProvisionError("\n".join(problems))
        ctx.status(f"loading {self.config.model} on {self.config.device}")
        self._model = await asyncio.to_thread(self._load, ctx)

    async def close(self) -> None:
        self._model = None

    def memory_needed(self, models_dir: Path) -> int:
        path = encoder_dir(models_dir, self.config.model) / "model.bin"
        return round(MEMORY_OF_FILE * path.stat().st_size) if path.exists() else 0

    @property
    def continues(self) -> bool:
        return True

    def languages(self) -> frozenset[str]:
        return frozenset(self._loaded().supported_languages)

    def open(self, params: RecognitionParams) -> SteppedStream[RecognitionParams, State]:
        model = self._loaded()
        if not model.model.is_multilingual:
            if params.task == "translate":
                raise SessionError("bad_request", "task translate: this model knows English only")
            params = replace(params, language="en")
        texts = f"{params.static_prompt} {', '.join(params.hotwords)}"
        count = len(model.hf_tokenizer.encode(texts, add_special_tokens=False).ids)
        if count > MAX_PROMPT_TOKENS:
            raise SessionError(
                "bad_request", f"static_prompt and hotwords take {count} tokens; at most {MAX_PROMPT_TOKENS} fit"
            )
        return SteppedStream(
            params, State(committed=params.told, context=params.initial_prompt, language=params.language)
        )

    def compute(self, steps: Sequence[Step]) -> list[Conclusion]:
        return [conclude(step, self._hear(step), self.config) for step in steps]

    def warm_up(self) -> None:
        """Two seconds of faint noise."""
        noise = np.random.default_rng(0).normal(0, 0.01, 2 * SAMPLE_RATE).astype(np.float32)
        stream = self.open(RecognitionParams(language="en"))
        stream.accept(Frame(0, noise))
        stream.end_segment(len(noise))
        self.run([StepPlan(stream)])

    def _hear(self, step: Step) -> Heard:
        window = step.state.window
        if len(window) < LEAST_SAMPLES:
            return Heard(language=step.state.language)
        language = step.state.language or self._detect(step)
        segments, _ = self._loaded().transcribe(
            window.samples,
            language=language,
            task=step.brief.task,
            beam_size=self.config.beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=prompt(step) or None,
            hotwords=", ".join(step.brief.hotwords) or None,
            no_speech_threshold=self.config.no_speech_probability,
            word_timestamps=True,
        )
        words = [
            Word(
                word.word,
                window.session_index(min(round(word.start * SAMPLE_RATE), len(window))),
                window.session_index(min(round(word.end * SAMPLE_RATE), len(window))),
                round(word.probability, 3),
            )
            for segment in segments
            for word in segment.words or ()
        ]
        return Heard(tuple(words), language, is_sure(step.state, self.config))

    def _detect(self, step: Step) -> str:
        _, _, probabilities = self._loaded().detect_language(step.state.window.samples)
        best: str = next(code for code, _ in probabilities if step.brief.may_detect(code))
        return best

    def _load(self, ctx: Context) -> WhisperModel:
        # Importing it takes a second, which `wlkd check` need not wait for.
        from faster_whisper import WhisperModel

        options = self.config
        # Else CTranslate2 says so when the first client speaks.
        fault = cublas_fault() if options.device == "cuda" else None
        if fault:
            raise ProvisionError(f"device cuda: {fault}; `pip install 'wlkd-localagreement[cuda]'` brings it")
        compute_type = options.compute_type
        if compute_type == "auto":
            compute_type = "int8" if options.device == "cpu" else "float16"
        folder = encoder_dir(ctx.models_dir, options.model)
        try:
            return WhisperModel(
                str(folder),
                device=options.device,
                device_index=options.device_index,
                compute_type=compute_type,
                cpu_threads=options.threads or ctx.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise ProvisionError(
                f"{folder / 'model.bin'}: cannot be loaded on {options.device} as {compute_type}: {error}"
            ) from error

    def _loaded(self) -> WhisperModel:
        if self._model is None:
            raise RuntimeError("the backend was used before it was provisioned, or after it was closed")
        return self._model
