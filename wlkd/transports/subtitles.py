"""A transcript as a file: plain text, SRT, WebVTT, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any
from unicodedata import category, east_asian_width

from wlkd.contract.audio import samples, seconds
from wlkd.contract.text import ends_sentence
from wlkd.contract.types import UNKNOWN_SPEAKER, Line, Translation, Word

ROW_COLUMNS = 42
"""Width of a subtitle row; wide (East Asian) characters take two columns, as on a terminal."""
MAX_CUE_COLUMNS = 2 * ROW_COLUMNS
MAX_CUE_SECONDS = 7.0
"""Two rows for at most seven seconds: what broadcasters ask for, so that people can read along."""
LEAST_CUE_SECONDS = 0.5
"""Of one whose words have no length."""
MAX_GAP_SECONDS = 1.0
"""A longer silence between two words takes the text off the screen."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at once; times are sample indices."""

    start: int
    end: int
    text: str
    speaker: int | None = None
    """Number of the speaker; None: speakers are not told apart."""


def translated(lines: Sequence[Line], language: str | None) -> list[Line]:
    """The lines in the listener's `language`, for all that is made of lines here: what is translated of them, its words
    spread evenly over the time of their sentence."""
    spoken = (line for line in lines if line.is_silence or line.translation.strip())
    return [line if line.is_silence else _translated(line, language) for line in spoken]


def _translated(line: Line, language: str | None) -> Line:
    words = tuple(word for sentence in line.translations for word in _spread(sentence, line.speaker))
    return Line(words[0].start, words[-1].end, words, language)


def _spread(sentence: Translation, speaker: int | None) -> Iterator[Word]:
    pieces = [piece for piece in re.findall(r"\s*\S+", sentence.text) for piece in _characters(piece)]
    total, before = columns(sentence.text), 0
    span = sentence.end - sentence.start
    for piece in pieces:
        after = before + columns(piece)
        start, end = (sentence.start + span * at // total for at in (before, after))
        yield Word(piece, start, end, speaker=speaker)
        before = after


def _characters(piece: str) -> list[str]:
    """Of a script without spaces each character is a word, with the marks behind it."""
    return re.findall(r"\s*.[^\w\s]*", piece) if any(map(_is_wide, piece)) else [piece]


def cues(lines: Sequence[Line]) -> list[Cue]:
    """The lines cut into readable cues: at their ends, at silences, after sentences, and evenly where they are long."""
    made = [
        Cue(group[0].start, group[-1].end, _one_line(_text(group)), line.speaker)
        for line in lines
        for phrase in _phrases(line.words, line.language)
        for group in _split(phrase)
    ]
    # WebVTT wants them by their start, and in a call two may speak at once.
    made.sort(key=lambda cue: cue.start)
    return [_visible(cue, following) for cue, following in zip_longest(made, made[1:])]


def _visible(cue: Cue, following: Cue | None) -> Cue:
    """`cue`, for a while if it has no length: players hide it, or refuse the file."""
    if _milliseconds(cue.end) > _milliseconds(cue.start):
        return cue
    end = cue.start + samples(LEAST_CUE_SECONDS)
    if following and _milliseconds(following.start) > _milliseconds(cue.start):
        end = min(end, following.start)
    return replace(cue, end=end)


def _phrases(words: Sequence[Word], language: str | None) -> Iterator[list[Word]]:
    """Words between silences, and between sentences that fill a row or more."""
    phrase: list[Word] = []
    for word in words:
        if phrase and not _continues(word):
            text = _text(phrase)
            sentence_ended = columns(text) > ROW_COLUMNS and ends_sentence(text, language)
            if sentence_ended or seconds(word.start - phrase[-1].end) > MAX_GAP_SECONDS:
                yield phrase
                phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _split(phrase: list[Word]) -> list[list[Word]]:
    """The phrase in as few parts as can be read, of about equal width: no last word alone on the screen."""
    for parts in range(1, len(phrase)):
        groups = _evenly(phrase, parts)
        if all(_is_readable(group) for group in groups):
            return groups
    return _evenly(phrase, len(phrase))  # A single word that is too long stays whole.


def _evenly(phrase: Sequence[Word], parts: int) -> list[list[Word]]:
    """The words in `parts` groups by the place of their middle in the text; groups that stay empty are left out."""
    total = columns(_text(phrase))
    groups: list[list[Word]] = [[] for _ in range(parts)]
    before, part = 0, 0
    for word in phrase:
        width = columns(word.text)
        if not _continues(word):
            part = min(parts - 1, int(parts * (before + width / 2) / max(total, 1)))
        groups[part].append(word)
        before += width
    return [group for group in groups if group]


def _is_readable(group: Sequence[Word]) -> bool:
    duration = seconds(group[-1].end - group[0].start)
    return duration <= MAX_CUE_SECONDS and columns(_text(group).strip()) <= MAX_CUE_COLUMNS


def _continues(word: Word) -> bool:
    """Whether it belongs to the word before, such as a full stop of its own: no space before it, in a script that
    has spaces."""
    return not word.text[:1].isspace() and not _is_wide(word.text[:1])


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


def _one_line(text: str) -> str:
    """`text` without line breaks, which a client's own replacements can have: an empty line would end a cue."""
    return re.sub(r"\s*[\r\n]\s*", " ", text.strip())


def rows(text: str) -> str:
    """The text on one row, or on two of about equal width."""
    if columns(text) <= ROW_COLUMNS:
        return text
    spaces = [place for place, mark in enumerate(text) if mark == " "]
    two = _broken(text, spaces)
    if any(columns(row) > ROW_COLUMNS for row in two):
        two = _broken(text, [place for place in range(len(text)) if place in spaces or _may_begin_row(text, place)])
    return "\n".join(two)


def _broken(text: str, places: Sequence[int]) -> list[str]:
    """The text in two rows, at the one of `places` nearest to its middle; in one, if there are none."""
    if not places:
        return [text]
    total = columns(text)
    place = min(places, key=lambda place: abs(2 * columns(text[:place]) - total))
    return [text[:place], text[place:].lstrip()]


def _may_begin_row(text: str, place: int) -> bool:
    """Whether the wide character at `place` may be the first of a row: no comma is, nor what a bracket opens before."""
    if not place or not _is_wide(text[place]):
        return False
    return category(text[place]) not in ("Pe", "Pf", "Po") and category(text[place - 1]) not in ("Ps", "Pi")


def columns(text: str) -> int:
    """Width of the text on a terminal or a screen."""
    return sum(2 if _is_wide(mark) else 1 for mark in text)


def _is_wide(mark: str) -> bool:
    return bool(mark) and east_asian_width(mark) in "WF"


def as_text(lines: Sequence[Line], source: str) -> str:
    """One line of text for each line that has words."""
    return "".join(f"{_prefix(line.speaker)}{_one_line(line.text)}\n" for line in lines if not line.is_silence)


def as_srt(lines: Sequence[Line], source: str, names: Mapping[int, str] = {}) -> str:
    """SubRip. `names`: of speakers that have one, by number."""
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{rows(_prefix(cue.speaker, names) + cue.text)}\n"
        for number, cue in enumerate(cues(lines), start=1)
    )


def as_vtt(lines: Sequence[Line], source: str, names: Mapping[int, str] = {}) -> str:
    """WebVTT (W3C), without styles. `names`: of speakers that have one, by number."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return "WEBVTT\n" + "".join(
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        f"{_voice(cue.speaker, names, escapes)}{rows(cue.text).translate(escapes)}\n"
        for cue in cues(lines)
    )


def speaker_name(speaker: int, names: Mapping[int, str] = {}) -> str:
    """What a reader sees of a speaker's number. `names`: of speakers that have one."""
    return names.get(speaker, "Speaker ?" if speaker == UNKNOWN_SPEAKER else f"Speaker {speaker}")


def _prefix(speaker: int | None, names: Mapping[int, str] = {}) -> str:
    return "" if speaker is None else f"{speaker_name(speaker, names)}: "


def _voice(speaker: int | None, names: Mapping[int, str], escapes: Mapping[int, str]) -> str:
    """WebVTT's voice tag."""
    return "" if speaker is None else f"<v {speaker_name(speaker, names).translate(escapes)}>"


def as_json(lines: Sequence[Line], source: str) -> str:
    """One JSON object on one line; times in seconds."""
    spoken = [line for line in lines if not line.is_silence]
    document = {
        "source": source,
        "language": next((line.language for line in spoken if line.language), None),
        "text": "".join(line.text for line in spoken).strip(),
        "lines": [_line(line) for line in spoken],
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _line(line: Line) -> dict[str, Any]:
    return {
        "start": round(seconds(line.start), 3),
        "end": round(seconds(line.end), 3),
        "language": line.language,
        "text": line.text,
        **({"translation": line.translation} if line.translations else {}),
        **_who(line.speaker),
        "words": [
            {
                "start": round(seconds(word.start), 3),
                "end": round(seconds(word.end), 3),
                "text": word.text,
                "confidence": word.confidence,
                **_who(word.speaker),
                **_who(word.also_speaker, "also_speaker"),
            }
            for word in line.words
        ],
    }


def _who(speaker: int | None, field: str = "speaker") -> dict[str, Any]:
    return {} if speaker is None else {field: speaker}


def _time(at: int, point: str) -> str:
    """`HH:MM:SS` and milliseconds after `point`."""
    total = _milliseconds(at)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}{point}{total % 1000:03}"


def _milliseconds(at: int) -> int:
    return round(1000 * seconds(at))


WRITERS: Mapping[str, Callable[[Sequence[Line], str], str]] = {
    "text": as_text,
    "srt": as_srt,
    "vtt": as_vtt,
    "json": as_json,
}
"""By format name: lines and the name of their source to the file's content."""

SUFFIXES: Mapping[str, str] = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json"}
