"""From a hypothesis to words with times and confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wlkd_whisper.window import Window

from wlkd import Samples, Word
from wlkd.contract.audio import samples
from wlkd_simulstreaming.hypothesis import Hypothesis
from wlkd_simulstreaming.tokens import Vocabulary, split_words

FRAME_SAMPLES = 320
"""Samples per frame of the encoder's output: 20 ms."""
LEAD_FRAMES = 5
"""A word begins this long (0.1 s) before the first frame that it is attended by: the median on clips and conversations,
against an aligner (docs/experiments.md)."""
LONGEST_TAIL_FRAMES = 20
"""A word ends where the next one begins, or where its sound has faded before that, but at most this many frames (0.4 s)
after its last attended one."""
SHORTEST = samples(0.1)
"""A word is not cut shorter than this."""
MOMENT = samples(0.01)
FADED, ABOVE_NOISE = 30.0, 3.0
"""Decibels: a sound is over when it is so far below the loudest tenth of its word, or so little above the quietest
tenth of what is around it. Chosen on conversations, by their turns (docs/speakers.md)."""
LEAST_FADED = 10.0
"""The same for a word that is hardly louder than what is around it."""
AROUND = samples(3.0)
FADING = samples(0.02)
"""Of a word behind what counts as its sound."""


Levels = NDArray[np.float32]
"""Decibels."""


@dataclass(frozen=True)
class Said:
    """A word of a hypothesis."""

    word: Word
    tokens: tuple[int, ...]
    first: int
    """Index of its first token in the hypothesis."""
    stop: int
    """Index behind its last token."""


def timed_words(
    heard: Hypothesis, vocabulary: Vocabulary, language: str | None, window: Window, content: int
) -> list[Said]:
    """The words of `heard`, a hypothesis about `window` with `content` frames; trailing bytes of an unfinished
    character are left out."""
    pieces = split_words(heard.tokens, vocabulary, language)
    words = []
    levels = _levels(window.samples)
    for number, piece in enumerate(pieces):
        begin = max(heard.frames[piece.first] - LEAD_FRAMES, 0)
        latest = max(heard.frames[piece.first : piece.stop])
        following = heard.frames[pieces[number + 1].first] - LEAD_FRAMES if number + 1 < len(pieces) else content
        stop = max(min(following, latest + LONGEST_TAIL_FRAMES), begin + 1)
        first, last = (min(frame * FRAME_SAMPLES, len(window)) for frame in (begin, stop))
        start, end = window.spoken(first, _faded(levels, first, last))
        logprobs = heard.logprobs[piece.first : piece.stop]
        word = Word(piece.text, start, end, round(math.exp(sum(logprobs) / len(logprobs)), 3))
        words.append(Said(word, heard.tokens[piece.first : piece.stop], piece.first, piece.stop))
    return words


def _faded(levels: Levels, begin: int, stop: int) -> int:
    """Where the sound of a word that lies between the offsets `begin` and `stop` is over: a short pause before the next
    word, which the VAD does not tell, is not part of it. Nor does attention tell, for the word's comma attends to the
    pause."""
    word = levels[begin // MOMENT : stop // MOMENT]
    if len(word) * MOMENT <= SHORTEST:
        return stop
    around = levels[max(begin - AROUND, 0) // MOMENT : (stop + AROUND) // MOMENT]
    loud, noise = _quantile(word, 0.9), _quantile(around, 0.1)
    audible = np.flatnonzero(word >= max(loud - FADED, min(noise + ABOVE_NOISE, loud - LEAST_FADED)))
    return min(begin + max((int(audible[-1]) + 1) * MOMENT + FADING, SHORTEST), stop)


def _levels(audio: Samples) -> Levels:
    """Of each whole `MOMENT` of `audio`."""
    moments = audio[: len(audio) // MOMENT * MOMENT].reshape(-1, MOMENT)
    return np.asarray(10 * np.log10(np.einsum("ij,ij->i", moments, moments) / MOMENT + 1e-9))


def _quantile(levels: Levels, share: float) -> float:
    place = int(share * (len(levels) - 1))
    return float(np.partition(levels, place)[place])
