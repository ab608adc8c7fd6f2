"""What pydantic found wrong with options, in words for the person who wrote them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from wlkd.config.document import Place

SHORT_LIST = 5
"""Up to this many known names a reader finds the right one unaided; beyond, we suggest one."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list, like [a, b]",
    "tuple_type": "a list, like [a, b]",
    "set_type": "a list, like [a, b]",
    "frozen_set_type": "a list, like [a, b]",
    "dict_type": "a mapping, `name: value` in indented lines",
    "model_type": "a mapping, `name: value` in indented lines",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
}
"""What was expected, by pydantic's name of the error; `{}` are filled from its context."""


def mistake_at(option: str, message: str) -> PydanticCustomError:
    """An error for a model validator that compares options: it points at `option`, not at their whole group."""
    return PydanticCustomError("options_disagree", "{message}", {"option": option, "message": message})


def explain(
    error: ValidationError, values: Any, model: type[BaseModel], known: Sequence[str] = ()
) -> Iterator[tuple[Place, str]]:
    """Every mistake that `error` found in `values` for `model`: its path below `values`, and the words.

    `known`: the names to tell for an unknown one at the top, where they are not just the model's own.
    """
    by_path: dict[Place, list[ErrorDetails]] = {}
    for details in error.errors():
        by_path.setdefault(_path_of(details, values), []).append(details)
    for path, alternatives in by_path.items():
        yield path, _words(path, alternatives, model, known)


def unknown_name(known: Iterable[str], name: str, what: str = "option") -> str:
    """`unknown option; known: a, b`, and a suggestion where the list is long."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close and len(names) > SHORT_LIST else ""
    return f"unknown {what}; known: {', '.join(names) or 'none'}{hint}"


def option_names(model: type[BaseModel]) -> list[str]:
    """The keys that `model` reads from a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _path_of(details: ErrorDetails, values: Any) -> Place:
    """The error's place in `values`: pydantic appends the names of union members, which are not there."""
    path: list[str | int] = []
    for part in details["loc"]:
        inside = (isinstance(values, Mapping) and part in values) or (
            isinstance(values, Sequence) and not isinstance(values, str) and isinstance(part, int)
        )
        if inside:
            values = values[part]
        elif details["type"] != "missing":
            break
        path.append(part)
    if details["type"] == "options_disagree":
        path.append(details["ctx"]["option"])
    return tuple(path)


def _words(path: Place, alternatives: list[ErrorDetails], model: type[BaseModel], known: Sequence[str]) -> str:
    first = alternatives[0]
    if first["type"] == "extra_forbidden":
        names = known if known and len(path) == 1 else option_names(_model_at(model, path[:-1]))
        return unknown_name(names, str(path[-1]))
    if first["type"] == "missing":
        return "is required"
    expected = [_expected(details) for details in alternatives]
    if None in expected:
        words = first["msg"].removeprefix("Value error, ")
        return words if first["type"] != "string_pattern_mismatch" else f"{_said(first['input'])} is not of that form"
    given = _said(first["input"])
    remedy = "; leave the line out for the default" if first["input"] is None else ""
    return f"must be {' or '.join(filter(None, dict.fromkeys(expected)))}, not {given}{remedy}"


def _expected(details: ErrorDetails) -> str | None:
    template = _EXPECTED.get(details["type"])
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in details.get("ctx", {}).items()
    }
    return template.format(**limits) if template else None


def _said(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            return f'the text "{value}"'
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)


def _model_at(model: type[BaseModel], path: Place) -> type[BaseModel]:
    """The model that reads the mapping at `path` below `model`."""
    for part in path:
        by_key = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        if part in by_key:
            model = next(_models_in(by_key[str(part)]), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
