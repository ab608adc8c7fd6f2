"""Readers of what clients write as text: into the query of an address, or the fields of a form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from wlkd.contract.errors import BadParameter
from wlkd.contract.host import Capabilities

Name = TypeVar("Name", bound=str)

TRUE, FALSE = ("true", "1"), ("false", "0")
MAX_DIGITS = 9


def choice(query: Mapping[str, str], name: str, known: Sequence[Name], default: Name) -> Name:
    """One of `known`, `default` where nothing is said. Raises `BadParameter`."""
    value = query.get(name) or default
    if value not in known:
        raise BadParameter(name, f"{name}={value}: unknown; known: {', '.join(known)}")
    return cast(Name, value)


def flag(query: Mapping[str, str], name: str, default: bool = False) -> bool:
    """Yes or no, in any case of letters: the packages for Python write True. Raises `BadParameter`."""
    value = (query.get(name) or str(default)).lower()
    return choice({name: value}, name, (*TRUE, *FALSE), "") in TRUE


def whole_number(query: Mapping[str, str], name: str, default: int | None = None, *, least: int = 1) -> int | None:
    """A whole number of at most nine digits. Raises `BadParameter`."""
    value = query.get(name)
    if not value:
        return default
    # str.isdigit() is true for digits that int() refuses, such as "²".
    if not (value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS and int(value) >= least):
        raise BadParameter(name, f"{name}={value}: must be a whole number from {least}")
    return int(value)


def engine_wish(model: str, capabilities: Capabilities, usual: re.Pattern[str]) -> dict[str, str]:
    """What to ask of a session for a client that names a `model`: an engine, or nothing where the name is one of the
    `usual` ones, which clients of a hosted service say to everybody. Where there is one engine, every name means it.

    Raises `BadParameter` with the names there are."""
    names = [engine.name for engine in capabilities.engines]
    if model in names:
        return {"model": model}
    if not model or len(names) < 2 or usual.fullmatch(model):
        return {}
    raise BadParameter("model", f"there is no model {model!r}; known: {', '.join(names)}")
