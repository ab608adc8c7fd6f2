"""Text from outside on its way to the log, to a terminal, or into a message."""

from __future__ import annotations


def one_line(text: str) -> str:
    """`text` with what cannot be printed written out: a line must not look like another's, nor move the cursor."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
