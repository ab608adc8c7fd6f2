"""A recording's text in sentences and paragraphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wlkd import Line, Word
from wlkd.contract.audio import seconds
from wlkd.contract.text import ends_sentence, text_of
from wlkd.contract.types import UNKNOWN_SPEAKER

SENTENCES = 5
"""Of a paragraph, at most."""


def paragraphs(lines: Sequence[Line]) -> dict[str, Any]:
    """The member `paragraphs` of an alternative. A line, which ends at a pause or a change of speaker, ends one."""
    found = [paragraph for line in lines if not line.is_silence for paragraph in _of_line(line)]
    speakers = [one.get("speaker") for one in found]
    text = "\n\n".join(map(_text, found, speakers, [None, *speakers]))
    return {"transcript": f"\n{text}" if text else "", "paragraphs": found}


def _text(paragraph: dict[str, Any], speaker: int | None, before: int | None) -> str:
    """With its `speaker`, if known and not that of the paragraph `before`."""
    label = "" if speaker in (None, before) else f"Speaker {speaker}: "
    return label + " ".join(sentence["text"] for sentence in paragraph["sentences"])


def _of_line(line: Line) -> Iterator[dict[str, Any]]:
    sentences = list(_sentences(line))
    for at in range(0, len(sentences), SENTENCES):
        group = sentences[at : at + SENTENCES]
        yield {
            "sentences": [_timed(words) | {"text": text_of(words).strip()} for words in group],
            "num_words": sum(map(len, group)),
            **_timed([*group[0], *group[-1]]),
            **({} if line.speaker in (None, UNKNOWN_SPEAKER) else {"speaker": line.speaker - 1}),
        }


def _sentences(line: Line) -> Iterator[list[Word]]:
    sentence: list[Word] = []
    for word in line.words:
        sentence.append(word)
        if ends_sentence(word.text, line.language):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _timed(words: Sequence[Word]) -> dict[str, Any]:
    return {"start": round(seconds(words[0].start), 3), "end": round(seconds(words[-1].end), 3)}
