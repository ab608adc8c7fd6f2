"""The backends at work, by name: which one hears a session, and how many sessions fit beside those that are in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from wlkd.config.options import DEFAULT_ENGINE
from wlkd.contract.components import Backend
from wlkd.contract.errors import BadParameter, SessionError
from wlkd.contract.types import RecognitionParams
from wlkd.inference.worker import Worker


@dataclass(frozen=True, eq=False)
class Engine:
    """A backend under the name that the configuration gives it, and its worker."""

    name: str
    backend: Backend
    worker: Worker
    kind: str = ""
    """Under which name its backend is registered."""
    model: str = ""
    """What its options call the model; may be empty."""

    def takes(self, params: RecognitionParams) -> bool:
        """Whether it opens a stream for these wishes."""
        try:
            self.backend.open(params)
        except SessionError:
            return False
        return True

    @property
    def capacity(self) -> int:
        """Sessions that it keeps up with when it is alone."""
        return self.worker.capacity.sessions


class Engines:
    """Those that new sessions can get. A reload makes a new one of these."""

    def __init__(
        self, engines: Mapping[str, Engine], routing: Mapping[str, str] = {}, missing: Mapping[str, str] = {}
    ) -> None:
        """`engines`: by name, the default one among them. `routing`: names by language. `missing`: reasons, by the
        names of those that could not be loaded; their languages stay with the default engine."""
        self._engines = dict(engines)
        self._missing = dict(missing)
        self.default = engines[DEFAULT_ENGINE]
        self._routes = {
            language: engines[name]
            for language, name in routing.items()
            if name in engines and engines[name] is not self.default
        }

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._engines.values())

    def __len__(self) -> int:
        return len(self._engines)

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that some engine hears when a client asks for nothing else."""
        return self.default.backend.languages() | self._routes.keys()

    def named(self, name: str) -> Engine:
        """The one that a client asks for. Raises `BadParameter` with the names there are."""
        if name in self._missing:
            raise BadParameter("model", f"model {name!r} is not available now: it could not be loaded")
        if name not in self._engines:
            raise BadParameter("model", f"there is no model {name!r}; known: {', '.join(self._engines)}")
        return self._engines[name]

    def route(self, params: RecognitionParams) -> Engine:
        """The one for a session that asks for no model. One that is there for the language and cannot do what else is
        asked, like translating, leaves the session to the default one, if that knows the language."""
        engine = self.default if params.language is None else self._routes.get(params.language, self.default)
        if engine.takes(params) or params.language not in self.default.backend.languages():
            return engine
        return self.default

    def decides(self, params: RecognitionParams) -> bool:
        """Whether the session may get another engine once its language is known."""
        return params.language is None and params.language_scope == "session" and bool(self._routes)

    def room(self, engine: Engine, open: Mapping[Engine, int]) -> int:
        """How many more sessions `engine` keeps up with beside those that are `open`; below 0: there are too many.

        Engines that compute on this machine share it: each session takes as large a part of it as its engine's
        capacity says.
        """
        if engine.backend.waits:
            return engine.capacity - open.get(engine, 0)
        used = sum(
            (Fraction(count, one.capacity) for one, count in open.items() if not one.backend.waits), start=Fraction(0)
        )
        return math.floor((1 - used) * engine.capacity)

    @property
    def place(self) -> str:
        """Where new sessions are recognized, as the backends put it; may be empty."""
        places = [(engine.name, engine.backend.place()) for engine in self._engines.values()]
        told = [f"{name}: {place}" if name != DEFAULT_ENGINE else place for name, place in places if place]
        return "; ".join([*told, *(f"{name}: not loaded" for name in self._missing)])
