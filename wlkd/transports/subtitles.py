"""A transcript as a file: plain text, SRT, WebVTT, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise, zip_longest
from math import ceil
from typing import Any

from wlkd.contract.audio import samples, seconds
from wlkd.contract.text import ends_sentence, merged, text_of
from wlkd.contract.types import UNKNOWN_SPEAKER, Line, Translation, Word
from wlkd.transports.breaks import columns, is_unspaced, resistance

ROW_COLUMNS = 42
"""Width of a subtitle row; wide (East Asian) characters take two columns, as on a terminal."""
MAX_CUE_COLUMNS = 2 * ROW_COLUMNS
MAX_CUE_SECONDS = 7.0
"""Two rows for at most seven seconds: what broadcasters ask for, so that people can read along."""
LEAST_CUE_SECONDS = 1.0
"""What is said faster than anybody reads stays on the screen so long, if nothing follows."""
MAX_GAP_SECONDS = 1.0
"""A longer silence between two words takes the text off the screen."""
SHORTENED = "…: "
"""Behind a speaker's name that would be wider than a row."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at once; times are sample indices."""

    start: int
    end: int
    text: str
    speaker: int | None = None
    """Number of the speaker; None: speakers are not told apart."""
    language: str | None = None


def translated(lines: Sequence[Line], language: str | None) -> list[Line]:
    """The lines in the listener's `language`, for all that is made of lines here: what is translated of them, its words
    spread evenly over the time of their sentence."""
    spoken = (line for line in lines if line.is_silence or line.translation.strip())
    return [line if line.is_silence else _translated(line, language) for line in spoken]


def _translated(line: Line, language: str | None) -> Line:
    words = tuple(word for sentence in line.translations for word in _spread(sentence, line.speaker))
    return Line(words[0].start, words[-1].end, words, language)


def _spread(sentence: Translation, speaker: int | None) -> Iterator[Word]:
    """Its words; of a script without spaces each character is one."""
    pieces = [piece for piece in re.findall(r"\s*\S+", sentence.text) for piece in _characters(piece)]
    total, before = columns(sentence.text), 0
    span = sentence.end - sentence.start
    for piece in pieces:
        after = before + columns(piece)
        start, end = (sentence.start + span * at // total for at in (before, after))
        yield Word(piece, start, end, speaker=speaker)
        before = after


def _characters(piece: str) -> list[str]:
    return re.findall(r"\s*\S", piece) if any(map(is_unspaced, piece)) else [piece]


def cues(lines: Sequence[Line], label: Callable[[int | None], str] = lambda speaker: "") -> list[Cue]:
    """The lines cut into readable cues: at their ends, at silences, after sentences, and evenly where they are long.
    `label`: what stands before each text for its speaker."""
    made = [cue for line in lines for cue in _cues(line, label(line.speaker))]
    # WebVTT wants them by their start, and in a call two may speak at once.
    made.sort(key=lambda cue: cue.start)
    return [_visible(cue, following) for cue, following in zip_longest(made, made[1:])]


def _cues(line: Line, label: str) -> Iterator[Cue]:
    label = _on_a_row(label)
    for phrase in _phrases(line, label):
        for group in _split(phrase, line.language, label):
            text = label + _one_line(text_of(group))
            yield Cue(group[0].start, group[-1].end, text, line.speaker, line.language)


def _on_a_row(label: str) -> str:
    """`label`, cut short if it is wider than a row: it leaves the words the other one."""
    if columns(label) <= ROW_COLUMNS:
        return label
    room, ends = ROW_COLUMNS - columns(SHORTENED), accumulate(map(columns, label))
    return "".join(mark for mark, end in zip(label, ends, strict=True) if end <= room) + SHORTENED


def _visible(cue: Cue, following: Cue | None) -> Cue:
    """`cue`, for so long that it can be read. Players hide one without length, or refuse the file."""
    end = max(cue.end, cue.start + samples(LEAST_CUE_SECONDS))
    if following and _milliseconds(following.start) > _milliseconds(cue.start):
        end = min(end, max(cue.end, following.start))
    return replace(cue, end=end)


def _phrases(line: Line, label: str) -> Iterator[list[Word]]:
    """Words between silences, and between sentences that fill a row or more."""
    phrase: list[Word] = []
    for word in _whole(line.words, line.language):
        text = label + text_of(phrase)
        sentence_ended = columns(text) > ROW_COLUMNS and ends_sentence(text, line.language)
        if phrase and (sentence_ended or seconds(word.start - phrase[-1].end) > MAX_GAP_SECONDS):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _whole(words: Iterable[Word], language: str | None) -> list[Word]:
    """The words; those that no cut may part are one. A text that came without its words is taken apart."""
    whole: list[Word] = []
    for word in chain.from_iterable(map(_parts, words)):
        if whole and resistance(whole[-1].text, word.text, language) is None:
            whole[-1] = merged((whole[-1], word), whole[-1].text + word.text)
        else:
            whole.append(word)
    return whole


def _parts(word: Word) -> Iterable[Word]:
    if columns(word.text) <= ROW_COLUMNS:
        return [word]
    return _spread(Translation(word.start, word.end, word.text), word.speaker)


def _split(phrase: list[Word], language: str | None, label: str) -> list[list[Word]]:
    """The phrase in as few parts as can be read, of about equal width: no last word alone on the screen."""
    if not phrase:
        return []
    resistances = [resistance(one.text, other.text, language) or 0 for one, other in pairwise(phrase)]
    for parts in range(1, min(len(phrase), 1 + 2 * ceil(_fill(phrase, label))) + 1):
        # Behind a mark where that can be read, or else as evenly as possible.
        for tried in (resistances, [0] * len(resistances)):
            groups = _parted(phrase, parts, tried)
            if all(_is_readable(group, language, label) for group in groups):
                return groups
    # One word lasts so long, or is so wide, that equal parts would be of a word each.
    place = max(range(len(phrase)), key=lambda place: _fill(phrase[place : place + 1], label))
    before, after = phrase[:place], phrase[place + 1 :]
    return [*_split(before, language, label), [phrase[place]], *_split(after, language, label)]


def _parted(phrase: list[Word], parts: int, resistances: Sequence[int]) -> list[list[Word]]:
    """The phrase in so many parts, or fewer if there are few places. `resistances`: of each word to a cut behind it."""
    ends = list(accumulate(columns(word.text) for word in phrase))

    def distance(place: int, part: int) -> int:
        """From the end of the part, times `parts`: in whole numbers, so that the page finds the same one nearest."""
        return abs(ends[place] * parts - ends[-1] * part) + resistances[place] * parts

    places = range(len(phrase) - 1)
    cuts = sorted({1 + min(places, key=lambda place: distance(place, part)) for part in range(1, parts)})
    return [phrase[start:stop] for start, stop in pairwise((0, *cuts, len(phrase)))]


def _is_readable(group: Sequence[Word], language: str | None, label: str) -> bool:
    """A single word that is too long stays whole."""
    if len(group) == 1 or _fill(group, label) > 1:
        return len(group) == 1
    return all(columns(row) <= ROW_COLUMNS for row in rows(label + text_of(group).strip(), language).split("\n"))


def _fill(words: Sequence[Word], label: str) -> float:
    """How much of a cue they take behind `label`; more than 1: they cannot be read in one."""
    duration = seconds(words[-1].end - words[0].start)
    return max(duration / MAX_CUE_SECONDS, columns(text_of(words).strip()) / (MAX_CUE_COLUMNS - columns(label)))


def _one_line(text: str) -> str:
    """`text` without line breaks, which a client's own replacements can have: an empty line would end a cue."""
    return re.sub(r"\s*[\r\n]\s*", " ", text.strip())


def rows(text: str, language: str | None = None) -> str:
    """The text on one row, or on two of about equal width."""
    if columns(text) <= ROW_COLUMNS:
        return text
    ends = list(accumulate(map(columns, text)))
    widest = {
        place: max(ends[place - 1], ends[-1] - ends[place if mark == " " else place - 1])
        for place, mark in enumerate(text)
        if place and text[place - 1] != " "
    }
    for places in ([place for place, width in widest.items() if width <= ROW_COLUMNS], widest):
        ranks = {
            place: (max(widest[place], ROW_COLUMNS), widest[place] + by)
            for place in places
            if (by := resistance(text[:place], text[place:], language)) is not None
        }
        if ranks:
            best = min(ranks, key=ranks.__getitem__)
            return f"{text[:best]}\n{text[best:].lstrip()}"
    return text


def as_text(lines: Sequence[Line], source: str, names: Mapping[int, str] = {}) -> str:
    """One line of text for each line that has words. `names`: of speakers that have one, by number."""
    return "".join(f"{_prefix(line.speaker, names)}{_one_line(line.text)}\n" for line in lines if not line.is_silence)


def as_srt(lines: Sequence[Line], source: str, names: Mapping[int, str] = {}) -> str:
    """SubRip. `names`: of speakers that have one, by number."""
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{rows(cue.text, cue.language)}\n"
        for number, cue in enumerate(cues(lines, lambda speaker: _prefix(speaker, names)), start=1)
    )


def as_vtt(lines: Sequence[Line], source: str, names: Mapping[int, str] = {}) -> str:
    """WebVTT (W3C), without styles. `names`: of speakers that have one, by number."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return "WEBVTT\n" + "".join(
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        f"{_voice(cue.speaker, names, escapes)}{rows(cue.text, cue.language).translate(escapes)}\n"
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
