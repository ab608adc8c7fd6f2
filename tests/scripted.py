"""What the backend `scripted` says where its configuration has no script of its own."""

from __future__ import annotations

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
"""One for each half second of audio, again and again."""


def spoken(seconds: float) -> str:
    """What it says to that much audio."""
    return " ".join(WORDS[place % len(WORDS)] for place in range(round(2 * seconds)))
