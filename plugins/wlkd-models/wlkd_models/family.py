"""A family of models, as `wlkd models` sees it, and how the families that are installed are found."""

from __future__ import annotations

import argparse
import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from wlkd_models.fetch import Say
from wlkd_models.findings import Advance, Finding

GROUP = "wlkd.model_families"
"""Entry points in it name an instance of `ModelFamily`, like `whisper = "wlkd_whisper.family:FAMILY"`."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """One model in the models folder."""

    name: str
    shape: str = ""
    """What is worth telling of it, on one line."""
    problems: Sequence[str] = ()
    """Why it cannot be used, each with the remedy; empty: it is ready."""
    hints: Sequence[str] = ()
    """What else should be done, like a download to finish or a mode to change."""


class ModelFamily(ABC):
    """Models whose files are made alike. Names are unique over all families."""

    parts: tuple[str, ...] = ()
    """What a model can be fetched in parts of, if it can; for `--<part>-only`."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """The models that can be fetched."""

    @abstractmethod
    def present(self, models_dir: Path) -> Sequence[str]:
        """The models of this family in the folder, whole or not. Raises OSError."""

    @abstractmethod
    def states(self, models_dir: Path) -> Sequence[State]:
        """What the folder holds of this family. Raises OSError."""

    @abstractmethod
    def bytes_to_read(self, models_dir: Path, name: str) -> int:
        """What `verify` will tell `advance` altogether."""

    @abstractmethod
    def verify(self, models_dir: Path, name: str, advance: Advance) -> Sequence[Finding]:
        """Read every file of the model and compare it with what is known; `advance` gets each piece's length."""

    @abstractmethod
    def get(self, name: str, into: Path, parts: Collection[str], say: Say, first: str | None = None) -> None:
        """Bring the wanted parts of the model to `into`; what is there and right is left alone.

        `parts`: all of `self.parts`, or some. `first`: the source to try before the others (`sources.in_order`).
        Raises GetError, or OSError when `into` cannot be written.
        """

    def problems(self, models_dir: Path, name: str) -> Sequence[str]:
        """Why the model cannot be used; empty: it is ready."""
        return next((state.problems for state in self.states(models_dir) if state.name == name), ("is missing",))

    def add_actions(self, actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add actions of its own to `wlkd models`: parsers with the default `act(models_dir, args) -> exit status`."""


def families() -> Mapping[str, ModelFamily]:
    """Those of the installed plugins, by name. One that cannot be loaded is left out with a warning."""
    found: dict[str, ModelFamily] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except Exception as error:
            logger.warning("the model family %s cannot be loaded: %s: %s", point.name, type(error).__name__, error)
    return found
