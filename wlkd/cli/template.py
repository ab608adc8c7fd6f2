"""Writes a configuration file with every option: its default, what it may be, its unit and its reason.

Everything comes from the option models and the components' docstrings, so the file cannot fall behind.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from wlkd.config import DEFAULT_PARTS, Config, Settings
from wlkd.document import read_document
from wlkd.interfaces import Component, Options
from wlkd.plugins import KINDS, Registered

WIDTH = 110
INDENT = "  "
LONGEST_DEFAULT = 40
"""A longer default is not repeated in the comment above it."""

HEAD = """\
The configuration of wlkd: every option with its default. A line that is left out means that default.

  wlkd check                  says everything that is wrong here, line by line
  wlkd check --print-default  writes this file anew, with the options of the plugins that are installed
  wlkd plugins                lists what decoders, vad, backend and transports can name
"""


def default_configuration(components: Iterable[Registered]) -> str:
    """The text of a configuration file that holds every default of the core and of `components`."""
    by_kind: dict[str, list[Registered]] = {kind: [] for kind in KINDS}
    for entry in components:
        by_kind[entry.kind].append(entry)
    lines = [f"# {line}".rstrip() for line in HEAD.splitlines()]
    for name, field in Settings.model_fields.items():
        lines += ["", *_option(name, field, Settings)]
    for section, field in Config.model_fields.items():
        if section in DEFAULT_PARTS:
            entries = by_kind[section.removesuffix("s")]
            write = _alternatives if section in ("vad", "backend") else _several
            lines += ["", *_comment(field.description), *write(section, entries)]
    return "\n".join(lines) + "\n"


def _several(section: str, entries: list[Registered]) -> Iterator[str]:
    """A section that names components: those in use by default, then the others, commented out."""
    used = DEFAULT_PARTS[section]
    yield f"{section}:"
    for entry in sorted(entries, key=lambda entry: list(used).index(entry.name) if entry.name in used else len(used)):
        options = list(_options(entry.component.Config))
        block = [*_comment(_summary(entry.component)), f"{entry.name}:", *_indented(options)]
        yield from _indented(block if entry.name in used else _commented_out(block))


def _alternatives(section: str, entries: list[Registered]) -> Iterator[str]:
    """A section that is one component: the default one, then what could stand instead, commented out."""
    default = DEFAULT_PARTS[section]["name"]
    for entry in sorted(entries, key=lambda entry: entry.name != default):
        options = list(_options(entry.component.Config))
        block = [*_comment(_summary(entry.component)), f"name: {entry.name}"]
        block += ["options:", *_indented(options)] if options else []
        if entry.name == default:
            yield from [f"{section}:", *_indented(block)]
        else:
            yield ""
            yield from _commented_out(["Instead:", "", f"{section}:", *_indented(block)])


def _options(model: type[Options]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield from _option(name, field, model)


def _option(name: str, field: FieldInfo, model: type[Options]) -> Iterator[str]:
    key = field.alias or name
    if field.is_required():
        yield from _comment(field.description, [*_allowed(model, key), "required"])
        yield f"# {key}:"
        return
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Options):
        yield from _comment(field.description)
        yield f"{key}:"
        yield from _indented(_options(type(default)))
        return
    value = _yaml(to_jsonable_python(default))
    known = [f"default {value}"] if len(value) <= LONGEST_DEFAULT else []
    yield from _comment(field.description, [*known, *_allowed(model, key)])
    yield f"{key}: {value}"


def _allowed(model: type[Options], key: str) -> list[str]:
    """What the option may be, in words; nothing where its type says it all."""
    schema = model.model_json_schema()["properties"][key]
    choices = [_bounds(choice) for choice in schema.get("anyOf", [schema])]
    if not all(choices) or choices == ["null"]:
        return []
    return [" or ".join(choices)]


def _bounds(schema: dict[str, Any]) -> str:
    if schema.get("type") == "null":
        return "null"
    if "const" in schema:
        return _yaml(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(_yaml(value) for value in schema["enum"])
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    return ", ".join(f"{words} {_yaml(schema[limit])}" for limit, words in limits.items() if limit in schema)


def _yaml(value: Any) -> str:
    """`value` on one line, quoted only where a plain word would be read as something else."""
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_yaml(key)}: {_yaml(item)}' for key, item in value.items())}}}"
    if isinstance(value, str) and re.fullmatch(r"[\w./][\w./+-]*", value) and read_document(value).values == value:
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _summary(component: type[Component]) -> str:
    """The first paragraph of the class's own docstring."""
    return " ".join((component.__doc__ or "").strip().partition("\n\n")[0].split())


def _comment(text: str | None, facts: Iterable[str] = ()) -> list[str]:
    """`text` wrapped, and the facts in brackets: behind it where they fit, else below."""
    lines = textwrap.wrap(text or "", WIDTH - 2, break_on_hyphens=False)
    if stated := "; ".join(facts):
        if lines and len(lines[-1]) + len(stated) + 5 <= WIDTH:
            lines[-1] += f" [{stated}]"
        else:
            lines += textwrap.wrap(f"[{stated}]", WIDTH - 2, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"{INDENT}{line}" if line else line for line in lines)


def _commented_out(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in lines)
