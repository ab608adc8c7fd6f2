"""A finished transcript in each response format, and a growing one as events."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiohttp import web

from wlkd import Line, SessionError, Update, Word
from wlkd.contract.audio import seconds
from wlkd.contract.languages import english_name
from wlkd.contract.text import joined
from wlkd.transports.notes import note_headers, with_notes
from wlkd.transports.subtitles import as_srt, as_text, as_vtt, translated
from wlkd_openai.errors import fields_of
from wlkd_openai.form import Wishes
from wlkd_openai.languages import languages
from wlkd_openai.logprobs import logprob, logprobs
from wlkd_openai.speakers import who

CONTENT_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


def response(update: Update, wishes: Wishes) -> web.Response:
    """The whole answer, from the last update of a session."""
    match wishes.format:
        case "json":
            fields = {
                "text": update.text.strip(),
                "languages": languages(update.lines),
                "usage": _usage(update),
                **_how_sure(_words(update), wishes),
                **_told(update),
                **with_notes(update.notes),
            }
            return _json(fields, update)
        case "verbose_json":
            return _json(_verbose(update, wishes), update)
        case "diarized_json":
            return _json(_diarized(update, wishes), update)
        case "text" if "diarize" in wishes.query:
            text = as_text(_chosen(update, wishes), wishes.model, _names(wishes))
        case "text":
            text = (_translation(update) if "target_language" in wishes.query else update.text).strip() + "\n"
        case "srt":
            text = as_srt(_chosen(update, wishes), wishes.model, _names(wishes))
        case "vtt":
            text = as_vtt(_chosen(update, wishes), wishes.model, _names(wishes))
    return web.Response(
        text=text, content_type=CONTENT_TYPES[wishes.format], charset="utf-8", headers=note_headers(update.notes)
    )


def event(fields: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


def error_event(error: SessionError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return event({"error": fields_of(error)})


class Deltas:
    """The events of one streamed transcription. The deltas, put together, are the text of the last event."""

    def __init__(self, wishes: Wishes) -> None:
        self._begun = False
        self._wishes = wishes
        self._segments = wishes.format == "diarized_json"

    def write(self, update: Update) -> bytes:
        """What `update` adds; nothing when no word was committed."""
        text = "".join(word.text for word in update.committed)
        if not self._begun:
            text = text.lstrip()
        if text:
            self._begun = True
        sure = _how_sure(update.committed, self._wishes)
        delta = event({"type": "transcript.text.delta", "delta": text, **sure}) if text else b""
        if update.final:
            if self._segments:
                delta += b"".join(event(segment) for segment in _turns(update, self._wishes))
            done = {
                "type": "transcript.text.done",
                "text": update.text.lstrip(),
                "languages": languages(update.lines),
                # No usage: here the API knows that of tokens only, and typed clients fail on any other.
                **_how_sure(_words(update), self._wishes),
                **_told(update),
                **with_notes(update.notes),
            }
            delta += event(done)
        return delta


def _chosen(update: Update, wishes: Wishes) -> Sequence[Line]:
    """What subtitles are made of, which hold one language: the one that was asked for."""
    target = wishes.query.get("target_language")
    return update.lines if target is None else translated(update.lines, target)


def _names(wishes: Wishes) -> dict[int, str]:
    """Of the speakers who have one, by their numbers."""
    return {number: one.name for number, one in enumerate(wishes.known_speakers, start=1)}


def _told(update: Update) -> dict[str, str]:
    """The translation beside the text; nothing where nothing was translated."""
    text = _translation(update)
    return {"translation": text} if text else {}


def _translation(update: Update) -> str:
    return joined(line.translation for line in update.lines)


def _json(fields: dict[str, Any], update: Update) -> web.Response:
    return web.json_response(text=json.dumps(fields, ensure_ascii=False), headers=note_headers(update.notes))


def _words(update: Update) -> Iterator[Word]:
    return (word for line in update.lines for word in line.words)


def _how_sure(words: Iterable[Word], wishes: Wishes) -> dict[str, Any]:
    """The member `logprobs`, where it is asked for."""
    return {"logprobs": logprobs(words)} if wishes.logprobs else {}


def _usage(update: Update) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(seconds(update.received))}


def _verbose(update: Update, wishes: Wishes) -> dict[str, Any]:
    spoken = [line for line in update.lines if not line.is_silence]
    fields: dict[str, Any] = {
        "task": wishes.task,
        "language": english_name(update.language) if update.language else "unknown",
        "language_code": update.language,
        "duration": round(seconds(update.received), 3),
        "text": update.text.strip(),
        "usage": _usage(update),
        **_told(update),
        **with_notes(update.notes),
    }
    if "segment" in wishes.granularities:
        fields["segments"] = [_segment(number, line, wishes) for number, line in enumerate(spoken)]
    if "word" in wishes.granularities:
        fields["words"] = [
            {
                "word": word.text.strip(),
                "start": round(seconds(word.start), 3),
                "end": round(seconds(word.end), 3),
                "confidence": word.confidence,
                **who(word.speaker, wishes.known_speakers),
                **who(word.also_speaker, wishes.known_speakers, "also_speaker"),
            }
            for line in spoken
            for word in line.words
        ]
    return fields


def _segment(number: int, line: Line, wishes: Wishes) -> dict[str, Any]:
    """A line as a segment. Tokens and the probability of silence are not known outside the model: empty and 0."""
    confidences = [word.confidence for word in line.words if word.confidence is not None]
    text = line.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": round(seconds(line.start), 3),
        "end": round(seconds(line.end), 3),
        "text": line.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(map(logprob, confidences)) / len(confidences) if confidences else 0.0,
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 3),
        "no_speech_prob": 0.0,
        **({"translation": line.translation} if line.translations else {}),
        **who(line.speaker, wishes.known_speakers),
    }


def _diarized(update: Update, wishes: Wishes) -> dict[str, Any]:
    return {
        "task": wishes.task,
        "duration": round(seconds(update.received), 3),
        "text": update.text.strip(),
        "segments": _turns(update, wishes),
        "usage": _usage(update),
        **with_notes(update.notes),
    }


def _turns(update: Update, wishes: Wishes) -> list[dict[str, Any]]:
    """A segment for each line; a change of speaker begins one."""
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": round(seconds(line.start), 3),
            "end": round(seconds(line.end), 3),
            "text": line.text,
            **who(line.speaker, wishes.known_speakers),
        }
        for number, line in enumerate(line for line in update.lines if not line.is_silence)
    ]
