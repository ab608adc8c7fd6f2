"""A plugin for tests: translators that shout, and what may go wrong with one."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from wlkd import Passage, Registry, Translator, hookimpl

FORBIDDEN = "FIVE"


class Shouting(Translator):
    """From English into German and Chinese: in capitals."""

    def targets(self) -> Mapping[str, frozenset[str]]:
        return {"de": frozenset({"en"}), "zh": frozenset({"en"})}

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        return [f"  {one.text.upper()} " if one.target == "de" else "發現 " for one in batch]


class Choking(Shouting):
    """Fails at a word."""

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        texts = super().translate(batch)
        if any(FORBIDDEN in text for text in texts):
            raise RuntimeError("told to fail")
        return texts


class Miscounting(Shouting):
    """Makes one text of whatever it gets."""

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        return [*super().translate(batch), "one too many"]


class Speechless(Shouting):
    """Lacks its `return`."""

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        super().translate(batch)
        return None  # type: ignore[return-value]


class Waiting(Shouting):
    """Translates when `gate` is set."""

    gate = threading.Event()
    at_work = False

    def warm_up(self) -> None:
        self.translate([])

    def translate(self, batch: Sequence[Passage]) -> Sequence[str]:
        self.at_work = True
        self.gate.wait()
        self.at_work = False
        return super().translate(batch)


@hookimpl
def wlkd_register_translators(register: Registry) -> None:
    register("shouting", Shouting)
    register("choking", Choking)
    register("miscounting", Miscounting)
    register("speechless", Speechless)
    register("waiting", Waiting)
