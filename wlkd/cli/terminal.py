"""Live text on a terminal: what is committed stays, the tail behind it is grey and replaced."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TextIO

from wlkd.transports.breaks import columns

GREY, RESET, CLEAR_ROW = "\x1b[90m", "\x1b[0m", "\x1b[K"


class View(ABC):
    """Shows a transcript that grows."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text = ""
        self._tail = ""

    def show(self, lines: Sequence[str], tail: str) -> None:
        """The whole committed transcript, line by line, and its tail. Only what is new is written."""
        text = "\n".join(line.strip() for line in lines)
        if (text, tail) == (self._text, self._tail):
            return
        if not text.startswith(self._text):
            # Some servers take committed text back. It cannot be unwritten: say the last line anew.
            self._write("\n" + text[text.rfind("\n") + 1 :], tail)
        else:
            self._write(text[len(self._text) :], tail)
        self._text, self._tail = text, tail
        self._out.flush()

    @abstractmethod
    def _write(self, committed: str, tail: str) -> None:
        """Append to the committed text and replace the tail."""

    def close(self) -> None:
        """The transcript is complete; ends its last row."""
        self._write("\n" if self._text else "", "")
        self._out.flush()


class Plain(View):
    """For pipes and files: committed text only."""

    def _write(self, committed: str, tail: str) -> None:
        self._out.write(committed)


class Screen(View):
    """For terminals. Rows are broken here, not by the terminal, so that the tail can be taken back exactly."""

    def __init__(self, out: TextIO, width: Callable[[], int]) -> None:
        super().__init__(out)
        self._width = width
        self._column = 0

    def _write(self, committed: str, tail: str) -> None:
        self._out.write(CLEAR_ROW)
        for token in re.findall(r"\n|[^\S\n]*[^\s]+", committed):
            self._append(token)
        tail = tail if self._column else tail.lstrip()
        if columns(tail) > self._room and self._column > self._width() // 2:
            self._append("\n")
            tail = tail.lstrip()
        tail = _fit(tail, self._room)
        if tail:
            self._out.write(f"{GREY}{tail}{RESET}\x1b[{columns(tail)}D")

    @property
    def _room(self) -> int:
        # The last column stays empty: a cursor there is on this row for some terminals, on the next for others.
        return max(1, self._width() - 1 - self._column)

    def _append(self, token: str) -> None:
        if token == "\n":
            self._break()
            return
        if columns(token) > self._room and self._column:
            self._break()
        token = token if self._column else token.lstrip()
        while token:
            piece = _fit(token, self._room) or token[0]
            self._out.write(piece)
            self._column += columns(piece)
            token = token[len(piece) :]
            if token:
                self._break()

    def _break(self) -> None:
        self._out.write("\n")
        self._column = 0


def _fit(text: str, width: int) -> str:
    """The beginning of the text that fits into `width` columns."""
    used = 0
    for place, mark in enumerate(text):
        used += columns(mark)
        if used > width:
            return text[:place]
    return text
