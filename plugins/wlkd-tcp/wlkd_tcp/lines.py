"""Updates as the lines that clients of the ufal streaming server read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Literal

from wlkd import SessionError, Update
from wlkd.contract.audio import seconds
from wlkd.transports.notes import with_notes

Format = Literal["json", "text"]


class Lines(ABC):
    """Writes one session's updates, a line for each commit."""

    def __init__(self) -> None:
        self._in_segment = False
        self._deaf = False
        self._end = 0

    def write(self, update: Update, emission_seconds: float) -> str:
        """The line that says what `update` committed, newline included; empty when it committed nothing, and no alarm
        begins that nothing is committed.

        `emission_seconds` counts from the start of the connection.
        """
        words = update.committed
        alarm, self._deaf = update.deaf and not self._deaf, update.deaf
        if words or (update.segment_end and self._in_segment):
            self._in_segment = not update.segment_end
        elif not alarm:
            return ""
        if words:
            self._end = words[-1].end
        return self._line(update, words[0].start if words else self._end, self._end, emission_seconds)

    @abstractmethod
    def _line(self, update: Update, start: int, end: int, emission_seconds: float) -> str: ...

    @abstractmethod
    def error(self, error: SessionError) -> str:
        """The line that says why the session ends."""


class JsonLines(Lines):
    """One JSON object a line."""

    def _line(self, update: Update, start: int, end: int, emission_seconds: float) -> str:
        fields = {
            "start": round(seconds(start), 3),
            "end": round(seconds(end), 3),
            "text": "".join(word.text for word in update.committed),
            "words": [
                {
                    "start": round(seconds(word.start), 3),
                    "end": round(seconds(word.end), 3),
                    "text": word.text,
                    "confidence": None if word.confidence is None else round(word.confidence, 3),
                    **({} if word.speaker is None else {"speaker": word.speaker}),
                    **({} if word.also_speaker is None else {"also_speaker": word.also_speaker}),
                }
                for word in update.committed
            ],
            "is_final": update.segment_end,
            "emission_time": round(emission_seconds, 3),
            "language": update.language,
            **({"deaf": True} if update.deaf else {}),
            **with_notes(update.notes),
        }
        return json.dumps(fields, ensure_ascii=False) + "\n"

    def error(self, error: SessionError) -> str:
        return json.dumps({"error": {"code": error.code, "message": error.message}}, ensure_ascii=False) + "\n"


class TextLines(Lines):
    """`<start ms> <end ms> <text>`; the end of a stretch of speech has no line of its own."""

    def _line(self, update: Update, start: int, end: int, emission_seconds: float) -> str:
        # A line break inside the text would be read as the start of another line.
        text = "".join(word.text for word in update.committed).replace("\r", " ").replace("\n", " ")
        return f"{seconds(start) * 1000:.0f} {seconds(end) * 1000:.0f} {text}\n" if text else ""

    def error(self, error: SessionError) -> str:
        return f"# {error.code}: {error.message}\n"


def lines_of(format: Format) -> Lines:
    """A writer of that format, for one session."""
    return JsonLines() if format == "json" else TextLines()
