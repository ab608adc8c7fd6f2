"""The backend: opens streams and runs their steps in batches. Light to import; models load in `provision`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from wlkd_whisper.folder import decoder_file, encoder_dir

from wlkd import Backend, Commit, Context, Frame, ProvisionError, RecognitionParams, SessionError, StepPlan
from wlkd.contract.audio import SAMPLE_RATE
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.metrics import Metrics
from wlkd_simulstreaming.options import SimulStreamingOptions
from wlkd_simulstreaming.stream import MAX_PREVIOUS_TOKENS, Conclusion, Stream

if TYPE_CHECKING:
    from wlkd_simulstreaming.loading import Model

MEMORY_OF_FILES = 1.5
"""Peak of memory over the sizes of the files: a second base on the CPU (290 MB) took 450 MB, of which 80 came back."""


class SimulStreaming(Backend[SimulStreamingOptions]):
    """Whisper, decoded while people speak."""

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
        files = (encoder_dir(models_dir, model) / "model.bin", decoder_file(models_dir, model))
        return round(MEMORY_OF_FILES * sum(path.stat().st_size for path in files if path.exists()))

    @property
    def concurrency(self) -> int:
        return self._loaded().concurrency

    def place(self) -> str:
        return self._loaded().place

    def languages(self) -> frozenset[str]:
        model = self._loaded()
        return frozenset(model.vocabulary.languages) if model.multilingual else frozenset({"en"})

    def open(self, params: RecognitionParams) -> Stream:
        model = self._loaded()
        if not model.multilingual:
            if params.language not in (None, "en"):
                raise SessionError("bad_request", f"language {params.language}: this model knows English only")
            if params.task == "translate":
                raise SessionError("bad_request", "task translate: this model knows English only")
        elif params.language is not None and params.language not in model.vocabulary.languages:
            raise SessionError("bad_request", f"language {params.language}: not known to the model")
        elif params.languages and not model.vocabulary.languages.keys() & set(params.languages):
            raise SessionError("bad_request", f"languages {', '.join(params.languages)}: none is known to the model")
        stream = Stream(self.config, model.vocabulary, params, None if model.multilingual else "en")
        if stream.prompt_tokens > MAX_PREVIOUS_TOKENS:
            raise SessionError(
                "bad_request",
                f"static_prompt and hotwords take {stream.prompt_tokens} tokens; at most {MAX_PREVIOUS_TOKENS} fit",
            )
        return stream

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        model = self._loaded()
        streams = [plan.recognizer for plan in batch if isinstance(plan.recognizer, Stream)]
        if len(streams) != len(batch):
            raise TypeError("a batch holds streams of this backend only")
        # Uploads take the longest steps, in the gaps that live streams leave: what they spend is missing there.
        spares = [0.0 if plan.upload else plan.spare for plan in batch]
        steps = [stream.plan(spare) for stream, spare in zip(streams, spares, strict=True)]
        work = [index for index, step in enumerate(steps) if step.worth_computing]
        heard = dict(zip(work, model.inference.hear([streams[i] for i in work], [steps[i] for i in work]), strict=True))
        conclusions: list[Conclusion] = []
        for index, (stream, step) in enumerate(zip(streams, steps, strict=True)):
            informed, language, hypothesis = heard.get(index, (step, step.state.language, Hypothesis(ended=True)))
            conclusions.append(stream.conclude(informed, hypothesis, language))
        # Nothing below can fail: a batch that raised has changed no stream.
        for stream, conclusion in zip(streams, conclusions, strict=True):
            stream.adopt(conclusion.state)
            self._count(conclusion)
        return [conclusion.commit for conclusion in conclusions]

    def warm_up(self) -> None:
        """Two seconds of faint noise, as if more came: an end that makes no sense would be decoded twice, on 30 s."""
        noise = np.random.default_rng(0).normal(0, 0.01, 2 * SAMPLE_RATE).astype(np.float32)
        stream = self.open(RecognitionParams())
        stream.accept(Frame(0, noise))
        self.run([StepPlan(stream, spare=0.0)])

    def _count(self, conclusion: Conclusion) -> None:
        if self._metrics is not None:
            for guard in conclusion.guards:
                self._metrics.guards.labels(guard).inc()

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
