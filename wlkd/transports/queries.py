"""Readers of what clients write as text: into the query of an address, or the fields of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wlkd.contract.errors import BadParameter

TRUE, FALSE = ("true", "1"), ("false", "0")
MAX_DIGITS = 9


def choice(query: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    """One of `known`, `default` where nothing is said. Raises `BadParameter`."""
    value = query.get(name) or default
    if value not in known:
        raise BadParameter(name, f"{name}={value}: unknown; known: {', '.join(known)}")
    return value


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
