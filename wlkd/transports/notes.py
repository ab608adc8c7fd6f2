"""What is to be said of a recording besides its words, as a field and as a header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wlkd.contract.audio import seconds
from wlkd.contract.types import Note

HEADER = "X-Audio-Notes"
MAX_HEADER = 1000
"""Characters: proxies refuse long headers. The field has them all."""


def note_fields(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Each note for JSON; times in seconds."""
    return [
        {
            "code": note.code,
            "message": note.message,
            "start": round(seconds(note.start), 3),
            "end": round(seconds(note.start + note.length), 3),
        }
        for note in notes
    ]


def with_notes(notes: Sequence[Note]) -> dict[str, Any]:
    """The member `notes`, where there are any."""
    return {"notes": note_fields(notes)} if notes else {}


def note_headers(notes: Sequence[Note]) -> dict[str, str]:
    """The header, where there are notes, for answers that are no JSON too."""
    if not notes:
        return {}
    text = "; ".join(f"{note.code} at {seconds(note.start):.1f} s: {note.message}" for note in notes)
    # Titles of tracks come from the file: a header holds printable ASCII only.
    plain = "".join(mark if " " <= mark <= "~" else "?" for mark in text)
    return {HEADER: plain if len(plain) <= MAX_HEADER else plain[: MAX_HEADER - 3] + "..."}
