"""The voices of one stream: a running mean for each, and how alike a new piece is."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""A voice as CAM++ hears it, shape (192,), of length 1."""

LIKE = 0.42
"""A piece teaches a voice no more than this much unlike it: a wrong label must not pull the voice over."""
MEMORY = 40.0
"""Pieces after which the mean begins to forget: a voice that tires over an hour is followed."""


def mean(vectors: list[Vector]) -> Vector:
    """The direction of the sum."""
    total = np.sum(vectors, axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def _packed(total: Vector) -> str:
    """A byte for each number, relative to the largest; the length as the mean's weight, in pieces."""
    weight = min(round(float(np.linalg.norm(total))), 255)
    scaled = np.round(total / np.abs(total).max() * 127).astype(np.int8)
    return base64.b64encode(bytes([weight]) + scaled.tobytes()).decode()


def _unpacked(text: str) -> Vector:
    raw = base64.b64decode(text, validate=True)
    scaled = np.frombuffer(raw[1:], np.int8).astype(np.float32)
    return np.asarray(scaled * (max(raw[0], 1) / np.linalg.norm(scaled)), dtype=np.float32)


class Voices:
    """Numbered from 1, in the order of their first words."""

    def __init__(self, most: int, memory: Mapping[str, str] = {}) -> None:
        """`most`: voices that may be opened. `memory`: of the stream that this one goes on.

        Raises `ValueError` when it is not one.
        """
        self._sums = {int(number): _unpacked(text) for number, text in memory.items()}
        self._most = most

    @property
    def memory(self) -> Mapping[str, str]:
        """Each voice in 260 characters, by its number."""
        return {str(number): _packed(total) for number, total in self._sums.items()}

    def __len__(self) -> int:
        return len(self._sums)

    @property
    def numbers(self) -> list[int]:
        return list(self._sums)

    @property
    def full(self) -> bool:
        """No further voice may be opened."""
        return len(self._sums) >= self._most

    def similarities(self, vector: Vector) -> dict[int, float]:
        """The cosine of `vector` to each voice, -1 to 1."""
        return {number: float(vector @ total / np.linalg.norm(total)) for number, total in self._sums.items()}

    def open(self, vectors: list[Vector]) -> int:
        """A voice heard for the first time in `vectors`; returns its number."""
        number = len(self._sums) + 1
        self._sums[number] = mean(vectors) * len(vectors)
        return number

    def learn(self, number: int, vector: Vector) -> None:
        """`vector` was said by `number`; what is too unlike it, or too short to tell, is not learnt by the caller."""
        total = self._sums[number]
        if vector @ total / np.linalg.norm(total) > LIKE:
            total = total + vector
            self._sums[number] = total * min(1.0, MEMORY / float(np.linalg.norm(total)))
