"""What people say: noise for a backend that says given words, or real recordings one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wlkd.contract.audio import SAMPLE_RATE
from wlkd.inference.capacity import made_up_speech
from wlkd_bench.clips import Clip
from wlkd_bench.pieces import read_samples
from wlkd_bench.text import units

BETWEEN_SECONDS = 0.5
"""Silence between two recordings."""
WORD_SECONDS = 0.5


@dataclass(frozen=True)
class Spoken:
    """One person's part of the run."""

    audio: Path
    """16-bit samples at 16 kHz."""
    reference: Sequence[str]
    """Its normalised words."""


def scripted(people: int, seconds: float, folder: Path) -> tuple[list[Spoken], dict[str, Any]]:
    """Noise for everybody, and the options of daemons that answer with numbered words, each of them only once."""
    words = [numbered(number) for number in range(round(seconds / WORD_SECONDS))]
    file = folder / "noise.raw"
    file.write_bytes((made_up_speech(seconds) * 32767).astype("<i2").tobytes())
    options = {"script": [f" {word}" for word in words], "word_seconds": WORD_SECONDS}
    backend = {"name": "scripted", "options": options}
    # The noise should be heard as it is.
    return [Spoken(file, words)] * people, {"backend": backend, "vad": {"name": "none"}, "decoders": {"pcm": {}}}


def numbered(number: int) -> str:
    """A word for each number: in letters, as figures are no word to a normaliser."""
    return "w" + f"{number:04}".translate(str.maketrans("0123456789", "bcdfghjkmn"))


def recorded(clips: Sequence[Clip], people: int, seconds: float, folder: Path) -> list[Spoken]:
    """The clips in turn, each person beginning with another one. Raises `ManifestError` for one that cannot be read."""
    between = np.zeros(round(BETWEEN_SECONDS * SAMPLE_RATE), np.int16)
    endless = itertools.cycle(clips)
    spoken = []
    for person in range(people):
        parts, texts, left = [], [], round(seconds * SAMPLE_RATE)
        while left > 0:
            clip = next(endless)
            samples = read_samples(clip)
            parts += [samples, between]
            texts.append(clip.text)
            left -= len(samples) + len(between)
        file = folder / f"person{person}.raw"
        file.write_bytes(np.concatenate(parts).astype("<i2").tobytes())
        spoken.append(Spoken(file, units(" ".join(texts), clip.language)))
    return spoken
