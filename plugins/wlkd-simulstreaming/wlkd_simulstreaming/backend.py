"""The backend: opens streams and runs their steps in batches. Light to import; models load in `provision`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from wlkd_whisper.folder import decoder_file, encoder_dir
from wlkd_whisper.stepwise import SteppedBackend

from wlkd import Abilities, Commit, Context, Frame, ProvisionError, RecognitionParams, SessionError, StepPlan
from wlkd.contract.audio import SAMPLE_RATE, seconds
from wlkd_simulstreaming.brief import Brief, Listener, Step, first_state, make_brief, with_firm_pauses
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.packing import LONGEST
from wlkd_simulstreaming.settling import Conclusion, conclude
from wlkd_simulstreaming.state import State
from wlkd_simulstreaming.upload import Upload

if TYPE_CHECKING:
    from wlkd_simulstreaming.loading import Model

MEMORY_OF_FILES = 1.5
"""Peak of memory over the sizes of the files: a second base on the CPU (290 MB) took 450 MB, of which 80 came back, and
then 262 MB for uploads (145 MB once more), of which 130 came back."""


class SimulStreaming(SteppedBackend[SimulStreamingOptions, Brief, State]):
    """Whisper, decoded while people speak."""

    abilities = Abilities(detects_language=True, several_languages=True)

    def __init__(self, config: SimulStreamingOptions) -> None:
        super().__init__(config)
        self._model: Model | None = None
        self._metrics: Metrics | None = None

    async def provision(self, ctx: Context) -> None:
        self._metrics = Metrics(ctx.metrics)
        self._model = await asyncio.to_thread(_load, self.config, ctx, self._metrics)

    async def close(self) -> None:
        self._model = None

    def memory_needed(self, models_dir: Path) -> int:
        model = self.config.model
        encoder = encoder_dir(models_dir, model) / "model.bin"
        files = [encoder, decoder_file(models_dir, model)]
        if self.config.encoder == "ctranslate2":
            files.append(encoder)  # Loaded once more for uploads, when the first one comes.
        return round(MEMORY_OF_FILES * sum(path.stat().st_size for path in files if path.exists()))

    @property
    def concurrency(self) -> int:
        return self._loaded().concurrency

    @property
    def max_batch(self) -> int:
        return self._loaded().max_batch

    @property
    def upload_seconds(self) -> float | None:
        model = self._loaded()
        return None if model.whole is None else model.pieces_at_once * seconds(LONGEST)

    def place(self) -> str:
        return self._loaded().place

    @property
    def continues(self) -> bool:
        return True

    def languages(self) -> frozenset[str]:
        model = self._loaded()
        return frozenset(model.vocabulary.languages) if model.dims.multilingual else frozenset({"en"})

    def open(self, params: RecognitionParams) -> Listener | Upload:
        model = self._loaded()
        if not model.dims.multilingual:
            if params.language not in (None, "en"):
                raise SessionError("bad_request", f"language {params.language}: this model knows English only")
            if params.task == "translate":
                raise SessionError("bad_request", "task translate: this model knows English only")
        elif params.language is not None and params.language not in model.vocabulary.languages:
            raise SessionError("bad_request", f"language {params.language}: not known to the model")
        elif params.languages and not model.vocabulary.languages.keys() & set(params.languages):
            raise SessionError("bad_request", f"languages {', '.join(params.languages)}: none is known to the model")
        only_language = None if model.dims.multilingual else "en"
        brief = make_brief(self.config, model.vocabulary, model.dims, params, only_language)
        tokens, most = len(brief.prompt), model.dims.max_previous
        if tokens > most:
            raise SessionError("bad_request", f"static_prompt and hotwords take {tokens} tokens; at most {most} fit")
        if model.whole is not None and params.in_long_pieces:
            return Upload(brief, first_state(brief, params))
        return Listener(brief, first_state(brief, params))

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        uploads = [plan.recognizer for plan in batch if isinstance(plan.recognizer, Upload)]
        whole = self._loaded().whole
        if uploads and whole is not None:
            return whole.run(uploads)
        return super().run(batch)

    def compute(self, steps: Sequence[Step]) -> list[Conclusion]:
        heard = self._loaded().inference.hear([with_firm_pauses(step) for step in steps])
        conclusions = [conclude(one) for one in heard]
        if self._metrics is not None:
            for guard in (guard for conclusion in conclusions for guard in conclusion.guards):
                self._metrics.guards.labels(guard).inc()
        return conclusions

    def warm_up(self) -> None:
        """Two seconds of faint noise, as if more came: an end that makes no sense would be decoded twice, on 30 s."""
        noise = np.random.default_rng(0).normal(0, 0.01, 2 * SAMPLE_RATE).astype(np.float32)
        stream = self.open(RecognitionParams())
        stream.accept(Frame(0, noise))
        self.run([StepPlan(stream, spare=0.0)])

    def _loaded(self) -> Model:
        if self._model is None:
            raise RuntimeError("the backend was used before it was provisioned, or after it was closed")
        return self._model


def _load(options: SimulStreamingOptions, ctx: Context, metrics: Metrics) -> Model:
    # PyTorch and CTranslate2 take a second to import, which neither `wlkd check` nor the event loop should wait for.
    try:
        from wlkd_simulstreaming.loading import load
    except (ImportError, OSError) as error:  # what the dynamic linker says of a CUDA build without its libraries
        raise ProvisionError(
            f"PyTorch or CTranslate2 cannot be loaded ({error}); `pip install 'wlkd-simulstreaming[cuda]'` "
            "brings the libraries for a GPU, and a PyTorch for the CPU needs none"
        ) from error
    return load(options, ctx, metrics)
