"""Writes a configuration file with every option: its default, what it may be, its unit and its reason.

Everything comes from the option models and the components' docstrings, so the file cannot fall behind.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from wlkd.config.document import read_document
from wlkd.config.options import Settings
from wlkd.contract.components import Component, Options
from wlkd.contract.kinds import KINDS, Kind, Registered

WIDTH = 110
INDENT = "  "
LONGEST_DEFAULT = 40
"""A longer default is not repeated in the comment above it."""

HEAD = """\
The configuration of wlkd. What you have to decide is set; every other option stands behind a `#`, with its default.
Remove the `#` to set one: those that stay commented out follow the defaults of later versions.

  wlkd check                  reports all mistakes in this file, with their lines
  wlkd check --print-default  prints this file anew, with the options of the plugins that are installed
  wlkd plugins                lists what {sections} can name
"""


def default_configuration(components: Iterable[Registered], kinds: Mapping[str, Kind] = KINDS) -> str:
    """The text of a configuration file that holds every default of the core and of `components`."""
    by_kind: dict[str, list[Registered]] = {name: [] for name in kinds}
    for entry in components:
        by_kind[entry.kind].append(entry)
    lines = [f"# {line}".rstrip() for line in HEAD.format(sections=_listed(kinds.values())).splitlines()]
    for name, field in Settings.model_fields.items():
        lines += ["", *_option(name, field, Settings)]
    for kind in kinds.values():
        write = _several if kind.many else _alternatives
        lines += ["", *_comment(kind.description), *write(kind, by_kind[kind.name])]
        if kind.further:
            example = [f"{kind.further}:", *_indented(kind.further_example.splitlines())]
            lines += ["", *_comment(kind.further_description), "", *_commented_out(example)]
    return "\n".join(lines) + "\n"


def _listed(kinds: Iterable[Kind]) -> str:
    *most, last = (kind.section for kind in kinds)
    return f"{', '.join(most)} and {last}"


def _several(kind: Kind, entries: list[Registered]) -> Iterator[str]:
    """A section that names components: those in use by default, then the others, commented out."""
    used = list(kind.default)
    yield f"{kind.section}:"
    for entry in sorted(entries, key=lambda entry: used.index(entry.name) if entry.name in used else len(used)):
        options = list(_options(entry.component.Config))
        block = [*_comment(_summary(entry.component)), f"{entry.name}:", *_indented(options)]
        yield from _indented(block if entry.name in used else _commented_out(block))


def _alternatives(kind: Kind, entries: list[Registered]) -> Iterator[str]:
    """A section that is one component: the default one, then what could stand instead, commented out."""
    for entry in sorted(entries, key=lambda entry: entry.name not in kind.default):
        options = list(_options(entry.component.Config))
        block = [*_comment(_summary(entry.component)), f"name: {entry.name}"]
        block += ["options:", *_indented(options)] if options else []
        if entry.name in kind.default:
            yield from [f"{kind.section}:", *_indented(block)]
        else:
            yield ""
            head = ["Instead:", ""] if kind.default else []
            yield from _commented_out([*head, f"{kind.section}:", *_indented(block)])


def _options(model: type[Options]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if group := _shown(field).get("group"):
            yield from ("", f"# {group}", "")
        yield from _option(name, field, model, section_stays=False)


def _shown(field: FieldInfo) -> Mapping[str, Any]:
    """What `wlkd.contract.components.shown` says about an option."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _option(name: str, field: FieldInfo, model: type[Options], *, section_stays: bool = True) -> Iterator[str]:
    """`section_stays`: an empty section means its defaults, so that its name need not be commented out."""
    key = field.alias or name
    if field.is_required():
        yield from _comment(field.description, [*_allowed(model, key), "required"])
        yield f"#{key}:"
        return
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Options):
        yield from _comment(field.description)
        lines = [f"{key}:", *_indented(_options(type(default)))]
        yield from lines if section_stays else (f"#{line}" for line in lines)
        return
    value = _yaml(to_jsonable_python(default))
    known = [f"default {value}"] if len(value) <= LONGEST_DEFAULT else []
    yield from _comment(field.description, [*known, *_allowed(model, key)])
    yield f"{'' if _shown(field).get('decide') else '#'}{key}: {value}"


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


def _summary(component: type[Component[Any]]) -> str:
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
