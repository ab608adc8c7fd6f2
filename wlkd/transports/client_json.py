"""JSON that a client sent."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """What `text` says. Raises `ValueError` for what is not JSON, or holds text that no answer could repeat."""
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = json.loads(text)
        # Half of a character as an escape, "\ud800", is read without complaint and fails far from here.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a \\u escape stands for half of a character") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value
