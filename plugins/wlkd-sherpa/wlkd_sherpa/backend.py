"""The backend: one model, and all streams of a batch decoded together."""

from __future__ import annotations

import asyncio
import re
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
from wlkd_sherpa.folder import ModelFiles, NoModelError
from wlkd_sherpa.options import SherpaOptions
from wlkd_sherpa.stream import SherpaStream
from wlkd_sherpa.words import Token, tokens_of

MEMORY_OF_FILES = 2.0
"""Of main memory over the sizes of the networks: a guess, as ONNX Runtime keeps weights and a packed copy."""
MARKS = re.compile("[:#@/]")
"""What sherpa-onnx reads as a score, a threshold, a phrase, and the end of a hotword. `#MeToo` would be a number to it,
and an error."""


class Sherpa(Backend[SherpaOptions]):
    """Streaming transducers (zipformer, NeMo) and paraformers by sherpa-onnx."""

    abilities = Abilities(streaming=True)

    def __init__(self, config: SherpaOptions) -> None:
        super().__init__(config)
        self._recognizer: Any = None
        self._is_paraformer = False

    async def provision(self, ctx: Context) -> None:
        try:
            files = ModelFiles.find(ctx.models_dir / self.config.model)
        except NoModelError as error:
            raise ProvisionError(str(error)) from error
        if "bpe" in self.config.hotwords_unit and files.bpe is None:
            raise ProvisionError(f"hotwords_unit {self.config.hotwords_unit}: {files.tokens.parent} has no bpe.vocab")
        self._is_paraformer = files.joiner is None
        ctx.status(f"loading {self.config.model} on {self.config.provider}")
        self._recognizer = await asyncio.to_thread(_load, files, self.config, self.config.threads or ctx.threads)

    async def close(self) -> None:
        self._recognizer = None

    def memory_needed(self, models_dir: Path) -> int:
        try:
            return round(MEMORY_OF_FILES * ModelFiles.find(models_dir / self.config.model).nbytes)
        except NoModelError:
            return 0

    def place(self) -> str:
        return f"{self.config.model} on {self.config.provider}"

    def languages(self) -> frozenset[str]:
        return frozenset(self.config.languages)

    def open(self, params: RecognitionParams) -> Recognizer:
        known = self.config.languages
        if params.language is not None and params.language not in known:
            raise SessionError("bad_request", f"language {params.language}: this model knows {', '.join(known)}")
        if params.task == "translate":
            raise SessionError("bad_request", "task translate: this model does not translate")
        hotwords = _joined(params.hotwords) if self.config.hotwords_unit else ""

        def make_handle() -> Any:
            recognizer = self._loaded()
            return recognizer.create_stream(hotwords) if hotwords else recognizer.create_stream()

        return SherpaStream(
            make_handle, self._result, params.language or known[0], appends=not self.config.hotwords_unit
        )

    def run(self, batch: Sequence[StepPlan]) -> list[Commit]:
        recognizer = self._loaded()
        streams = [plan.recognizer for plan in batch if isinstance(plan.recognizer, SherpaStream)]
        handles = [handle for stream in streams if (handle := stream.hear()) is not None]
        while ready := [handle for handle in handles if recognizer.is_ready(handle)]:
            recognizer.decode_streams(ready)
        return [stream.take() for stream in streams]

    def warm_up(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
        stream = self.open(RecognitionParams())
        stream.accept(Frame(0, noise))
        self.run([StepPlan(stream)])

    def _result(self, handle: Any, heard: float) -> Sequence[Token]:
        told = self._loaded().get_result_all(handle)
        return tokens_of(told.tokens, told.timestamps, told.ys_probs, heard, paraformer=self._is_paraformer)

    def _loaded(self) -> Any:
        if self._recognizer is None:
            raise RuntimeError("the backend was used before it was provisioned, or after it was closed")
        return self._recognizer


def _joined(hotwords: Sequence[str]) -> str:
    """As sherpa-onnx takes them."""
    plain = (MARKS.sub(" ", word).strip() for word in hotwords)
    return "/".join(filter(None, plain))


def _load(files: ModelFiles, options: SherpaOptions, threads: int) -> Any:
    try:
        from sherpa_onnx import OnlineRecognizer
    except (ImportError, OSError) as error:
        raise ProvisionError(f"sherpa-onnx cannot be loaded ({error}); `pip install sherpa-onnx` brings it") from error
    common: dict[str, Any] = {
        "tokens": str(files.tokens),
        "encoder": str(files.encoder),
        "decoder": str(files.decoder),
        "num_threads": threads,
        "provider": options.provider,
        # Where speech pauses is for the VAD to say.
        "enable_endpoint_detection": False,
    }
    try:
        if files.joiner is None:
            return OnlineRecognizer.from_paraformer(**common)
        if options.hotwords_unit:
            common |= {"decoding_method": "modified_beam_search", "hotwords_score": options.hotwords_score}
            common |= {"modeling_unit": options.hotwords_unit, "bpe_vocab": str(files.bpe or "")}
        return OnlineRecognizer.from_transducer(joiner=str(files.joiner), **common)
    except Exception as error:
        raise ProvisionError(f"{files.tokens.parent}: sherpa-onnx cannot read this model ({error})") from error
