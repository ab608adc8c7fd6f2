"""A folder with a translation model: CTranslate2's files, and the SentencePiece models that belong to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from wlkd_models.access import absent, contents, explain, read_fault

from wlkd_translate.dialects import M2M_MARK, NLLB_MARK, Dialect, m2m, nllb, pair_in

MODEL = "model.bin"
VOCABULARIES = ("shared_vocabulary.json", "shared_vocabulary.txt", "target_vocabulary.json", "target_vocabulary.txt")
"""The first that is there tells which family the model is of."""
BOTH = ("sentencepiece.bpe.model", "sentencepiece.model")
"""One SentencePiece model for all languages, as NLLB-200 and M2M-100 have it."""
EACH = ("source.spm", "target.spm")
"""One for each side, as OPUS-MT has them."""


class ModelFolder:
    """One of them. Nothing is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def looks_like_one(self) -> bool:
        """A translation model is here, or was meant to be."""
        names = {path.name for path in contents(self.path)}
        return MODEL in names and not names.isdisjoint((*BOTH, *EACH))

    def problems(self) -> Iterator[str]:
        """Why the model cannot be loaded, each with the remedy; none: it most likely can."""
        if absent(self.path):
            yield f"{self.path} is missing: {_HOW_TO_MAKE}"
            return
        if not self._has(MODEL):
            yield f"{self.path / MODEL} is missing: {_HOW_TO_MAKE}"
        if not any(map(self._has, VOCABULARIES)):
            yield f"{self.path} has no vocabulary ({', '.join(VOCABULARIES)}): {_HOW_TO_MAKE}"
            return
        try:
            self.dialect()
            pieces = self.pieces()
            self.adds_end()
        except FolderError as error:
            yield str(error)
            return
        files = [path for path in (self.path / MODEL, *dict.fromkeys(pieces)) if not absent(path)]
        yield from filter(None, map(read_fault, files))

    def dialect(self) -> Dialect:
        """Raises `FolderError`."""
        vocabulary = self._vocabulary()
        if any(map(NLLB_MARK.fullmatch, vocabulary)):
            return nllb(vocabulary)
        if any(map(M2M_MARK.fullmatch, vocabulary)):
            return m2m(vocabulary)
        pair = pair_in(self.path.name)
        if pair is None:
            raise FolderError(f"{self.path}: which pair of languages is it? Name the folder like opus-mt-en-de")
        return pair

    def pieces(self) -> tuple[Path, Path]:
        """The SentencePiece models of source and target. Raises `FolderError`."""
        for name in BOTH:
            if self._has(name):
                return self.path / name, self.path / name
        if all(map(self._has, EACH)):
            return self.path / EACH[0], self.path / EACH[1]
        raise FolderError(
            f"{self.path}: its SentencePiece model is missing: copy {BOTH[0]} (NLLB-200, M2M-100) or "
            f"{' and '.join(EACH)} (OPUS-MT) here from where the model was published"
        )

    def adds_end(self) -> bool:
        """Whether CTranslate2 itself marks the end of what is translated, as its configuration says. Raises
        `FolderError`."""
        config = self.path / "config.json"
        if absent(config):
            return False
        return bool(self._json(config).get("add_source_eos", False))

    def files(self) -> list[Path]:
        """All that matter, in order. Raises OSError."""
        return sorted(path for path in self.path.iterdir() if path.is_file())

    def _has(self, name: str) -> bool:
        return not absent(self.path / name)

    def _vocabulary(self) -> Sequence[str]:
        path = self.path / next(name for name in VOCABULARIES if self._has(name))
        if path.suffix == ".json":
            return [str(token) for token in self._json(path)]
        try:
            return path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise FolderError(explain(path, error)) from error

    def _json(self, path: Path) -> dict[str, object]:
        try:
            content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
            return content
        except OSError as error:
            raise FolderError(explain(path, error)) from error
        except ValueError as error:
            raise FolderError(f"{path} is not JSON ({error}); it may be half copied") from error


class FolderError(Exception):
    """The folder cannot be used; the message says why, and what to do."""


_HOW_TO_MAKE = (
    "docs/operations.md tells how a translation model is brought here (ct2-transformers-converter --quantization int8)"
)
