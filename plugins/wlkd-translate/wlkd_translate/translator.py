"""Translation models in CTranslate2, one or several, each for the languages that it knows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from wlkd_whisper.cuda import cublas_fault

from wlkd import Context, Passage, ProvisionError, Translator, TranslatorOptions
from wlkd.contract.priority import in_background
from wlkd_translate.dialects import Dialect
from wlkd_translate.folder import FolderError, ModelFolder

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

logger = logging.getLogger(__name__)

MOST_PIECES = 256
"""Of a passage and of its translation; twelve seconds of speech take some 80. Bounds what a loop costs."""
END = "</s>"
COMPETES = "translation competes with recognition"


class CTranslate2Options(TranslatorOptions):
    """Options of the translator `ctranslate2`."""

    models: tuple[str, ...] = Field(
        default=("nllb-200-distilled-600M",),
        min_length=1,
        description="Folders in the models folder: NLLB-200, M2M-100, or OPUS-MT models such as opus-mt-en-de. If "
        "several know a pair of languages, the first one translates it.",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="`cuda` fails where there is no GPU.")
    device_index: int = Field(default=0, ge=0, description="Which GPU.")
    compute_type: str = Field(default="auto", description="Precision; `auto`: int8 on the CPU, float16 on a GPU.")
    threads: int = Field(
        default=0, ge=0, description="CPU threads; 0: half as many as speech recognition uses, which has priority."
    )
    beam_size: int = Field(default=2, ge=1, le=10, description="More: a little better, and as many times slower.")


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded one."""

    engine: Any
    dialect: Dialect
    source: SentencePieceProcessor
    target: SentencePieceProcessor
    adds_end: bool

    def question(self, passage: Passage) -> list[str]:
        pieces = self.source.encode(passage.text, out_type=str)[:MOST_PIECES]
        return [*self.dialect.question(pieces, passage.source), *([] if self.adds_end else [END])]

    def text(self, pieces: Sequence[str], target: str) -> str:
        marks = self.dialect.answer_begins(target)
        text: str = self.target.decode([piece for piece in pieces if piece not in marks])
        return text


class CTranslate2(Translator[CTranslate2Options]):
    """Any of 200 languages into any other with NLLB-200, on a CPU or a GPU; its licence forbids commercial use."""

    def __init__(self, config: CTranslate2Options) -> None:
        super().__init__(config)
        self._models: list[Model] = []
        self._by_pair: dict[tuple[str, str], Model] = {}

    async def provision(self, ctx: Context) -> None:
        fault = cublas_fault() if self.config.device == "cuda" else None
        if fault:
            raise ProvisionError(f"translator: {fault}; `pip install 'wlkd-translate[cuda]'` brings it")
        for name in self.config.models:
            ctx.status(f"loading {name} on {self.config.device}")
            folder = ModelFolder(ctx.models_dir / name)
            if problem := next(folder.problems(), None):
                raise ProvisionError(f"translator: {problem}")
            model = await asyncio.to_thread(self._load, folder, ctx.threads)
            self._models.append(model)
            for target, sources in model.dialect.targets().items():
                for source in sources:
                    self._by_pair.setdefault((source, target), model)

    async def close(self) -> None:
        models, self._models, self._by_pair = self._models, [], {}
        for model in models:
            model.engine.unload_model()

    def targets(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for source, target in self._by_pair:
            found.setdefault(target, set()).add(source)
        return {target: frozenset(sources) for target, sources in found.items()}

    def warm_up(self) -> None:
        for model in self._models:
            pair = next(pair for pair, known in self._by_pair.items() if known is model)
            self.translate([Passage("1, 2, 3.", *pair)])

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        texts = [""] * len(batch)
        for model in self._models:
            places = [place for place, one in enumerate(batch) if self._by_pair[one.source, one.target] is model]
            if places:
                for place, text in zip(places, self._run(model, [batch[place] for place in places]), strict=True):
                    texts[place] = text
        return texts

    def _run(self, model: Model, batch: Sequence[Passage]) -> list[str]:
        results = model.engine.translate_batch(
            [model.question(one) for one in batch],
            target_prefix=[model.dialect.answer_begins(one.target) for one in batch],
            beam_size=self.config.beam_size,
            max_input_length=0,
            max_decoding_length=MOST_PIECES,
            disable_unk=True,
        )
        return [model.text(result.hypotheses[0], one.target) for result, one in zip(results, batch, strict=True)]

    def _load(self, folder: ModelFolder, threads: int) -> Model:
        import ctranslate2
        from sentencepiece import SentencePieceProcessor

        options = self.config
        compute_type = options.compute_type
        if compute_type == "auto":
            compute_type = "int8" if options.device == "cpu" else "float16"

        def load() -> Any:
            return ctranslate2.Translator(
                str(folder.path),
                device=options.device,
                device_index=options.device_index,
                compute_type=compute_type,
                intra_threads=options.threads or max(threads // 2, 1),
            )

        def pieces(path: Path) -> SentencePieceProcessor:
            return SentencePieceProcessor(model_file=str(path))

        try:
            source, target = folder.pieces()
            spoken, written = pieces(source), pieces(target)
            return Model(in_background(load, COMPETES), folder.dialect(), spoken, written, folder.adds_end())
        except (FolderError, OSError, RuntimeError, ValueError) as error:
            raise ProvisionError(f"translator: {folder.path} cannot be loaded: {error}") from error
