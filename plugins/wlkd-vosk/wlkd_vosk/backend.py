"""The backend: one model, a search for each stream, several searches at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wlkd import (
    SAMPLE_RATE,
    Abilities,
    Backend,
    Commit,
    Context,
    Frame,
    ProvisionError,
    RecognitionParams,
    Recognizer,
    SessionError,
    StepPlan,
)
from wlkd_vosk.folder import folder_bytes, folder_problem
from wlkd_vosk.options import VoskOptions
from wlkd_vosk.stream import Search, VoskStream

MEMORY_OF_FILES = 2.0
"""Peak of memory over the sizes of the files: the Korean model (264 MB) took 520 MB."""


class Vosk(Backend[VoskOptions]):
    """Kaldi's streaming recognition by Vosk: small models, a language each, no GPU."""

    abilities = Abilities(streaming=True)

    def __init__(self, config: VoskOptions) -> None:
        super().__init__(config)
        self._model: Any = None
        self._threads = 1

    async def provision(self, ctx: Context) -> None:
        folder = ctx.models_dir / self.config.model
        if (fault := folder_problem(folder)) is not None:
            raise ProvisionError(fault)
        if self.config.spoken is None:
            raise ProvisionError(f"the name {self.config.model} does not say the model's language; set `language`")
        ctx.status(f"loading {self.config.model}")
        self._threads = self.config.threads or ctx.threads
        self._model = await asyncio.to_thread(_load, folder)

    async def close(self) -> None:
        self._model = None

    def memory_needed(self, models_dir: Path) -> int:
        return round(MEMORY_OF_FILES * folder_bytes(models_dir / self.config.model))

    @property
    def concurrency(self) -> int:
        return self._threads

    def place(self) -> str:
        return f"{self.config.model} on cpu"

    def languages(self) -> frozenset[str]:
        return frozenset({self.config.spoken or ""})

    def open(self, params: RecognitionParams) -> Recognizer:
        language = self.config.spoken or ""
        if params.language not in (None, language):
            raise SessionError("bad_request", f"language {params.language}: this model knows {language} only")
        if params.task == "translate":
            raise SessionError("bad_request", "task translate: this model does not translate")
        return VoskStream(self._search, language, self.config.sure_confidence)

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        streams = [plan.recognizer for plan in batch if isinstance(plan.recognizer, VoskStream)]
        for stream in streams:
            stream.advance()
        return [stream.take() for stream in streams]

    def warm_up(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
        stream = self.open(RecognitionParams())
        stream.accept(Frame(0, noise))
        self.run([StepPlan(stream)])

    def _search(self) -> Search:
        import vosk

        if self._model is None:
            raise RuntimeError("the backend was used before it was provisioned, or after it was closed")
        search = vosk.KaldiRecognizer(self._model, SAMPLE_RATE)
        search.SetWords(True)
        search.SetPartialWords(True)
        found: Search = search
        return found


def _load(folder: Path) -> Any:
    try:
        import vosk
    except (ImportError, OSError) as error:
        raise ProvisionError(f"Vosk cannot be loaded ({error}); `pip install vosk` brings it") from error
    vosk.SetLogLevel(-1)
    try:
        return vosk.Model(str(folder))
    except Exception as error:  # it raises nothing more telling
        raise ProvisionError(f"{folder}: Vosk cannot read this model ({error})") from error
