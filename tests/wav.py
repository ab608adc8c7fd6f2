"""Recordings in files, for tests that upload them."""

from __future__ import annotations

import io
import wave


def wav(pcm: bytes, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """A WAV file of `pcm`, 16-bit samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return buffer.getvalue()
