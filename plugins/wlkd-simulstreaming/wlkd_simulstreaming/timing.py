"""From a hypothesis to words with times and confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wlkd_whisper.window import Window

from wlkd import Word
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.sound import Sound
from wlkd_simulstreaming.spelling import is_open
from wlkd_simulstreaming.tokens import Vocabulary, split_words

FRAME_SAMPLES = 320
"""Samples per frame of the encoder's output: 20 ms."""
LEAD_FRAMES = 5
"""A word begins this long (0.1 s) before the first frame that it is attended by: the median on clips and conversations,
against an aligner (docs/experiments.md)."""
TAIL_FRAMES = 20
"""A word is audible somewhere before this many frames (0.4 s) after its last attended one, and ends where that sound is
over, or where the next word begins."""
LONGEST_TAIL_FRAMES = 60
"""But it lasts at most this many frames (1.2 s) after it: the last syllable may have no token of its own."""


@dataclass(frozen=True)
class Said:
    """A word of a hypothesis; of one that another recognizer told, only itself and its tokens are known."""

    word: Word
    tokens: tuple[int, ...]
    first: int = 0
    """Index of its first token in the hypothesis."""
    stop: int = 0
    """Index behind its last token."""
    frame: int = 0
    """The last one that it attends to."""
    open: int | None = None
    """Index of that of `tokens` that the model may yet spell otherwise; None: none of them."""


def timed_words(
    heard: Hypothesis, vocabulary: Vocabulary, language: str | None, window: Window, content: int
) -> list[Said]:
    """The words of `heard`, a hypothesis about `window` with `content` frames; trailing bytes of an unfinished
    character are left out."""
    pieces = split_words(heard.tokens, vocabulary, language)
    words = []
    sound = Sound(window.samples)
    for number, piece in enumerate(pieces):
        begin = max(heard.frames[piece.first] - LEAD_FRAMES, 0)
        latest = max(heard.frames[piece.first : piece.stop])
        following = heard.frames[pieces[number + 1].first] - LEAD_FRAMES if number + 1 < len(pieces) else content
        stops = (max(min(following, latest + tail), begin + 1) for tail in (TAIL_FRAMES, LONGEST_TAIL_FRAMES))
        first, stop, reach = (min(frame * FRAME_SAMPLES, len(window)) for frame in (begin, *stops))
        start, end = window.spoken(first, sound.of_word(first, stop, reach)[1])
        logprobs = heard.logprobs[piece.first : piece.stop]
        word = Word(piece.text, start, end, round(math.exp(sum(logprobs) / len(logprobs)), 3))
        tokens = heard.tokens[piece.first : piece.stop]
        spelled = 0 if is_open(heard.choices[piece.first], vocabulary) else None
        words.append(Said(word, tokens, piece.first, piece.stop, latest, spelled))
    return words
