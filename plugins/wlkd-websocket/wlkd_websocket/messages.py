"""Updates as the JSON that clients read. `docs/API.md` describes every field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wlkd import Code, Line, Seam, SessionError, TakenUp, Translation, Update, Word
from wlkd.contract.audio import seconds
from wlkd.transports.client_json import parsed
from wlkd.transports.notes import with_notes

SPEAKER = 1
"""The `speaker` of every line if speakers are not told apart."""
SILENCE = -2
"""The `speaker` of a line in which nobody speaks."""

PING = "ping"
PONG = '{"type": "pong"}'

READY_TO_STOP = '{"type": "ready_to_stop"}'


def error_message(error: SessionError) -> str:
    """A client that can resume is asked to move: nothing went wrong."""
    kind = "moving" if error.code is Code.MOVING else "error"
    # The apps that come with WhisperLiveKit read `error`.
    fields = {"type": kind, "code": error.code, "message": error.message, "error": error.message}
    return json.dumps(fields, ensure_ascii=False)


def clock(samples: int) -> str:
    """`H:MM:SS`, rounded down."""
    whole = int(seconds(samples))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def word_fields(word: Word) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "text": word.text,
        "start": round(seconds(word.start), 3),
        "end": round(seconds(word.end), 3),
        "confidence": None if word.confidence is None else round(word.confidence, 3),
    }
    if word.speaker is not None:
        fields["speaker"] = word.speaker
        sure = word.speaker_confidence
        fields["speaker_confidence"] = None if sure is None else round(sure, 3)
    if word.also_speaker is not None:
        fields["also_speaker"] = word.also_speaker
    return fields


def translation_fields(translation: Translation) -> dict[str, Any]:
    return {
        "text": translation.text,
        "start": round(seconds(translation.start), 3),
        "end": round(seconds(translation.end), 3),
    }


def line_fields(line: Line, with_words: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "speaker": SILENCE if line.is_silence else SPEAKER if line.speaker is None else line.speaker,
        "text": line.text,  # "" for silence: clients of WhisperLiveKit strip it
        "start": clock(line.start),
        "end": clock(line.end),
        "start_seconds": round(seconds(line.start), 3),
        "end_seconds": round(seconds(line.end), 3),
    }
    if line.language is not None:
        fields["detected_language"] = line.language
    if line.translations:
        fields["translation"] = line.translation
        fields["translations"] = [translation_fields(one) for one in line.translations]
    if with_words:
        fields["words"] = [word_fields(word) for word in line.words]
    return fields


def seam_fields(seam: Seam) -> dict[str, Any]:
    """Where a resumable stream could go on."""
    return {
        "settled_seconds": round(seconds(seam.settled), 3),
        "settled_bytes": seam.settled_bytes,
        "header_bytes": seam.header_bytes,
        "first_line": seam.first_line,
        "continuation": seam.continuation,
    }


def taken_up_fields(taken_up: TakenUp) -> dict[str, Any]:
    """Where a resumable stream begins."""
    return {
        "continued": taken_up.continued,
        "header_bytes": taken_up.header_bytes,
        "from_bytes": taken_up.from_bytes,
        "first_line": taken_up.first_line,
    }


def continuation_in(text: str) -> str:
    """What a client says before all else when it goes on. Raises `SessionError("bad_request")`."""
    try:
        message = parsed(text)
    except ValueError:
        message = None
    match message:
        case {"type": "resume", "continuation": str(continuation)} if continuation:
            return continuation
    raise SessionError(Code.BAD_REQUEST, 'resume=continue: first send {"type": "resume", "continuation": "…"}')


class LineJson:
    """The lines of one session as JSON; a line is serialised again only when it changed.

    A full update carries the whole transcript several times a second, so an hour of speech would otherwise be
    serialised again for each new word.
    """

    def __init__(self, with_words: bool) -> None:
        self._with_words = with_words
        self._closed: list[str] = []
        self._lines: list[Line] = []
        """Those that `_closed` tells of."""
        self._closed_joined = ""

    def all(self, lines: tuple[Line, ...]) -> str:
        """The whole transcript as a JSON array."""
        if not lines:
            return "[]"
        self._close_up_to(lines)
        last = self._dump(lines[-1])
        return f"[{self._closed_joined}, {last}]" if self._closed_joined else f"[{last}]"

    def since(self, first: int, lines: tuple[Line, ...]) -> str:
        """`lines[first:]` as a JSON array."""
        if first == len(lines):
            return "[]"
        self._close_up_to(lines)
        return f"[{', '.join([*self._closed[first:], self._dump(lines[-1])])}]"

    def _close_up_to(self, lines: tuple[Line, ...]) -> None:
        self._renew(lines)
        for line in lines[len(self._closed) : -1]:
            text = self._dump(line)
            self._closed.append(text)
            self._lines.append(line)
            self._closed_joined += f", {text}" if self._closed_joined else text

    def _renew(self, lines: tuple[Line, ...]) -> None:
        """Closed lines that got a translation."""
        changed = [place for place, (old, new) in enumerate(zip(self._lines, lines, strict=False)) if old is not new]
        for place in changed:
            self._lines[place] = lines[place]
            self._closed[place] = self._dump(lines[place])
        if changed:
            self._closed_joined = ", ".join(self._closed)

    def _dump(self, line: Line) -> str:
        return json.dumps(line_fields(line, self._with_words), ensure_ascii=False)


class FullMessages:
    """Each update with the whole transcript in it; for a client that can resume, from the first line on that changed.

    Such a client keeps the lines before `first_line` anyway. After three hours the whole transcript has 300 kB, and is
    sent three times a second.
    """

    def __init__(self, with_words: bool = False) -> None:
        self._lines = LineJson(with_words)
        self._sent: tuple[Line, ...] = ()

    def write(self, update: Update) -> str:
        if update.seam is None:
            lines = self._lines.all(update.lines)
        else:
            kept = _unchanged(self._sent, update.lines)
            lines = self._lines.since(kept, update.lines)
            self._sent = update.lines
            update = replace(update, seam=replace(update.seam, first_line=update.seam.first_line + kept))
        return _message({"type": "transcript_update"}, f'"lines": {lines}', update)


class DiffMessages:
    """A snapshot first, then what changed.

    A client drops `lines_pruned` lines from the front and appends `new_lines`. Only the front can be dropped,
    so when a line that it has changed, by a word or a translation, the cheapest message that keeps the order prunes
    everything and sends it again; when none did, the new lines alone are enough.
    """

    def __init__(self, with_words: bool = False) -> None:
        self._lines = LineJson(with_words)
        self._sent: tuple[Line, ...] = ()
        self._seq = 0

    def write(self, update: Update) -> str:
        lines, sent, self._sent = update.lines, self._sent, update.lines
        self._seq += 1
        if self._seq == 1:
            return _message({"type": "snapshot", "seq": 1}, f'"lines": {self._lines.all(lines)}', update)
        kept = len(sent) if _unchanged(sent, lines) == len(sent) else 0
        parts = [f'"n_lines": {len(lines)}']
        if kept < len(sent):
            parts.append(f'"lines_pruned": {len(sent)}')
        if kept < len(lines):
            parts.append(f'"new_lines": {self._lines.since(kept, lines)}')
        return _message({"type": "diff", "seq": self._seq}, ", ".join(parts), update)


def _unchanged(sent: Sequence[Line], lines: Sequence[Line]) -> int:
    """How many of `lines`, from the first on, have been `sent` as they are."""
    pairs = enumerate(zip(sent, lines, strict=False))
    return next((place for place, (old, new) in pairs if old is not new and old != new), len(sent))


def _message(head: dict[str, Any], lines: str, update: Update) -> str:
    """One JSON object: `head`, the members in `lines`, and what every update carries."""
    head["status"] = "no_audio_detected" if update.speech_start is None else "active_transcription"
    rest = {
        "buffer_transcription": update.tentative_text,
        "buffer_diarization": update.waiting_text,
        "buffer_translation": update.tentative_translation,
        "remaining_time_transcription": round(seconds(update.lag), 2),
        "remaining_time_diarization": round(seconds(update.speaker_lag), 2),
        "remaining_time_translation": round(seconds(update.translation_lag), 2),
        "new_words": [word_fields(word) for word in update.committed],
        "language": update.language,
        "received_seconds": round(seconds(update.received), 3),
        "final": update.final,
        **({"deaf": True} if update.deaf else {}),
        **({} if update.turn_over is None else {"turn_over": round(update.turn_over, 3)}),
        **with_notes(update.notes),
    }
    if update.seam is not None:
        rest |= seam_fields(update.seam)
    opening = json.dumps(head)[:-1]
    closing = json.dumps(rest, ensure_ascii=False)[1:]
    return f"{opening}, {lines}, {closing}"
