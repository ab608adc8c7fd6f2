"""A YAML file as plain values that remember the line each came from.

Stricter than PyYAML where its habits surprise operators: `no` is a word (a language), not false; `1:30` is
not a number in base 60; a key given twice is a mistake. Only what JSON knows comes out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Place = tuple[str | int, ...]
"""Keys and list indexes from the top of the file to a value."""
SHOWN_CHARACTERS = 40
"""How much of a wrong number the message about it shows."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong at a place of the document."""

    place: Place
    line: int
    message: str


@dataclass(slots=True)
class Document:
    """What a file says. `values` is None for an empty file, and whatever could be read beside `mistakes`."""

    values: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """The line of the value at `place`, or of the nearest thing around it that the file does say."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


class _Loader(yaml.SafeLoader):
    """Composes nodes; resolves plain scalars as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self.check_event(AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, "aliases are not supported: write the value out", event.start_mark)
        node: Node | None = super().compose_node(parent, index)
        return node


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def read_document(text: str) -> Document:
    """Read YAML `text`. Never raises for what it says: mistakes are collected, each with its line."""
    document = Document()
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            document.values = _value(root, (), document)
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(Mistake((), _line_of(error), _words_of(error)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.mistakes.append(Mistake((), line, f"character U+{ord(text[error.position]):04X} is not allowed"))
    except RecursionError:
        document.mistakes.append(Mistake((), 1, "nested too deeply"))
    return document


def read_scalar(text: str) -> Any:
    """The value that `text` would have in a file, e.g. on the command line. Raises ValueError."""
    document = read_document(text)
    if document.mistakes:
        raise ValueError(document.mistakes[0].message)
    return document.values


def _line_of(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _words_of(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or str(error)
    if "'\\t'" in problem:
        return "a tab cannot indent YAML: use spaces"
    if problem.startswith("mapping values are not allowed"):
        return "not valid YAML: a colon where no key can stand (check the indentation; quote text that has a colon)"
    if isinstance(error, ComposerError):
        return problem if "alias" in problem else "holds more than one document: remove the line `---`"
    context = f" {error.context}" if error.context else ""
    begin = error.context_mark.line + 1 if context and error.context_mark else _line_of(error)
    # What is never closed is noticed lines behind it, or at the end of the file.
    since = f" that begins in line {begin}" if begin != _line_of(error) else ""
    return f"not valid YAML: {problem}{context}{since}"


def _value(node: Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return dict(_items(node, place, document))
    if isinstance(node, SequenceNode):
        return [_value(item, (*place, index), document) for index, item in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        return _scalar(node, place, document)
    raise TypeError(f"YAML has no such node: {node!r}")


def _items(node: MappingNode, place: Place, document: Document) -> Iterator[tuple[str, Any]]:
    first_lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            document.mistakes.append(Mistake(place, line, "an option's name must be a word"))
            continue
        key = str(key_node.value)
        if key in first_lines:
            message = f"given twice, first in line {first_lines[key]}: remove one"
            document.mistakes.append(Mistake((*place, key), line, message))
            continue
        first_lines[key] = line
        document.lines[(*place, key)] = line
        yield key, _value(value_node, (*place, key), document)


def _scalar(node: ScalarNode, place: Place, document: Document) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float" as kind:
            try:
                # Python spells infinity without the dot.
                number = int(text) if kind == "int" else float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
            except ValueError:  # Behind a tag stands any text, and Python reads no integer of thousands of digits.
                number = math.nan
            if isinstance(number, float) and not math.isfinite(number):
                shown = f"{text[:SHOWN_CHARACTERS]}…" if len(text) > SHOWN_CHARACTERS else text
                document.mistakes.append(Mistake(place, node.start_mark.line + 1, f"{shown} is not a finite number"))
            return number
        case "str":
            return text
        case _:
            document.mistakes.append(
                Mistake(place, node.start_mark.line + 1, f"tag {node.tag} is not supported: write a plain value")
            )
            return text
