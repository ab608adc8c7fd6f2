"""JSON that a client sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

MOST_VALUES = 20_000
"""Of one message. Its megabytes may be audio or a long prompt; millions of values would hold the event loop, and every
stream with it, for seconds. Commas inside texts count too, because only a reader of the whole could tell."""
MOST_LEVELS = 100
"""Of lists and objects in each other. What Python can just read, it may fail to write."""


def parsed(text: str | bytes) -> Any:
    """What `text` says. Raises `ValueError` for what is not JSON, or holds what no answer could repeat."""
    if isinstance(text, bytes):
        text = text.decode()
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values")
    try:
        value = json.loads(text, parse_constant=_refused)
        if _levels(value) > MOST_LEVELS:
            raise ValueError("it is nested too deeply")
        # Half of a character as an escape, "\ud800", is read without complaint and fails far from here.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a \\u escape stands for half of a character") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _levels(value: Any) -> int:
    levels, inside = 0, [value]
    while inside := [one for each in inside for one in _members(each)]:
        levels += 1
    return levels


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
