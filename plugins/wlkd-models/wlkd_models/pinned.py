"""The simplest family: each model is a folder of files that are known byte for byte."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wlkd_models.access import explain, is_public
from wlkd_models.digest import matches
from wlkd_models.family import ModelFamily, State
from wlkd_models.fetch import GetError, Say, check_space, claimed, drop_if_empty, fetch, make_folder
from wlkd_models.files import PinnedFile
from wlkd_models.findings import Advance, Finding, check_pinned
from wlkd_models.sources import Source


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """One model: its folder below the models folder has the model's name."""

    files: tuple[PinnedFile, ...]
    sources: Callable[[Path], Sequence[Source]]
    """Where the files can be had, in the order to try; gets a scratch folder."""
    summary: str = ""
    """What it is, on one line: width, languages, licence."""


class PinnedFamily(ModelFamily):
    """Models by name."""

    def __init__(self, models: Mapping[str, PinnedModel]) -> None:
        self._models = models

    def names(self) -> Sequence[str]:
        return list(self._models)

    def present(self, models_dir: Path) -> Sequence[str]:
        here = {entry.name for entry in models_dir.iterdir()}
        return [name for name in self._models if name in here]

    def states(self, models_dir: Path) -> Sequence[State]:
        return [self.state(models_dir, name) for name in self.present(models_dir)]

    def bytes_to_read(self, models_dir: Path, name: str) -> int:
        paths = [models_dir / name / file.name for file in self._models[name].files]
        return sum(path.stat().st_size for path in paths if os.access(path, os.R_OK))

    def verify(self, models_dir: Path, name: str, advance: Advance) -> Sequence[Finding]:
        return [check_pinned(models_dir / name / file.name, file, advance) for file in self._models[name].files]

    def get(self, name: str, into: Path, parts: Collection[str], say: Say, first: str | None = None) -> None:
        model, folder = self._models[name], into / name
        missing = [file for file in model.files if not matches(folder / file.name, file)]
        if not missing:
            say(f"{name}: up to date")
            return
        make_folder(into)
        make_folder(folder)
        check_space(folder, missing)
        with claimed(folder), tempfile.TemporaryDirectory(dir=into, prefix=".wheels-") as scratch:
            still, failures = fetch(missing, folder, model.sources(Path(scratch)), say, first)
        if still:
            drop_if_empty(folder)
            names = ", ".join(file.name for file in still)
            raise GetError(f"{name}: {names} could not be had: {'; '.join(failures)}")

    def state(self, models_dir: Path, name: str) -> State:
        """Of one model, also where it is not present."""
        problems, hints = [], []
        for file in self._models[name].files:
            path = models_dir / name / file.name
            try:
                present = path.stat().st_size
                path.open("rb").close()
            except OSError as error:
                problems.append(f"{explain(path, error)}; `wlkd models get {name}` brings it")
                continue
            if present != file.nbytes:
                problems.append(f"{path}: {present:,} bytes instead of {file.nbytes:,}; `wlkd models get {name}`")
            elif not is_public(path):
                hints.append(f"{path}: other users cannot read it; `chmod -R a+rX {path}`")
        return State(name, self._models[name].summary, problems, hints)
