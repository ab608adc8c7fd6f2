"""Translation models as `wlkd models` sees them: what lies in the models folder, and whether it can be used.

They come from where they are published, converted by whoever needs them, so their digests are not known beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from wlkd_models.family import ModelFamily, State
from wlkd_models.fetch import GetError, Say
from wlkd_models.findings import Advance, Finding, describe_unpinned

from wlkd_translate.folder import FolderError, ModelFolder


class TranslationModels(ModelFamily):
    """Folders in CTranslate2's format that have a SentencePiece model."""

    def names(self) -> Sequence[str]:
        return []

    def present(self, models_dir: Path) -> Sequence[str]:
        return sorted(path.name for path in models_dir.iterdir() if ModelFolder(path).looks_like_one)

    def states(self, models_dir: Path) -> Sequence[State]:
        return [_state(ModelFolder(models_dir / name)) for name in self.present(models_dir)]

    def bytes_to_read(self, models_dir: Path, name: str) -> int:
        return sum(path.stat().st_size for path in ModelFolder(models_dir / name).files())

    def verify(self, models_dir: Path, name: str, advance: Advance) -> Sequence[Finding]:
        return [describe_unpinned(path, advance) for path in ModelFolder(models_dir / name).files()]

    def get(self, name: str, into: Path, parts: Collection[str], say: Say, first: str | None = None) -> None:
        raise GetError(f"{name}: translation models are converted, not fetched; docs/operations.md tells how")


def _state(folder: ModelFolder) -> State:
    problems = list(folder.problems())
    return State(folder.path.name, "" if problems else _shape(folder), problems)


def _shape(folder: ModelFolder) -> str:
    try:
        targets = folder.dialect().targets()
    except FolderError as error:
        return str(error)
    if len(targets) > 1:
        return f"translates between {len(targets)} languages"
    [(target, sources)] = targets.items()
    return f"translates from {', '.join(sorted(sources))} into {target}"


FAMILY = TranslationModels()
