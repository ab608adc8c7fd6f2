"""The shape of a Whisper network: what must agree between an encoder's file and a decoder's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

MULTILINGUAL_VOCABULARY = 51_865
"""Tokens from which on a model knows more than English; English-only ones have one token less."""


class ModelFileError(Exception):
    """A model file that is missing, unreadable, incomplete or of another kind; the message names it."""


@dataclass(frozen=True, slots=True)
class WhisperDims:
    """The dimensions, under the names that an OpenAI checkpoint gives them in `dims`."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than English."""
        return self.n_vocab >= MULTILINGUAL_VOCABULARY

    @property
    def max_previous(self) -> int:
        """Most tokens of text before `<|startoftranscript|>`: half the context, less `<|startofprev|>`."""
        return self.n_text_ctx // 2 - 1

    @property
    def timestamps(self) -> int:
        """Timestamp tokens: one for each frame of the encoder's output, and one for the end."""
        return self.n_audio_ctx + 1

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> WhisperDims:
        """From a checkpoint's `dims`. Raises ValueError when one is missing or is not a positive whole number."""
        numbers = {}
        for field in fields(cls):
            value = values.get(field.name)
            if not isinstance(value, int) or value <= 0:
                raise ValueError(f"{field.name} is {value!r}, not a positive whole number")
            numbers[field.name] = value
        return cls(**numbers)

    def differences(self, other: WhisperDims) -> list[tuple[str, int, int]]:
        """Each (meaning, ours, theirs) that disagrees, in plain words."""
        values = asdict(other)
        return [(MEANINGS[name], ours, values[name]) for name, ours in asdict(self).items() if ours != values[name]]


MEANINGS = {
    "n_mels": "mel bins",
    "n_audio_ctx": "audio positions",
    "n_audio_state": "encoder width",
    "n_audio_head": "encoder heads",
    "n_audio_layer": "encoder layers",
    "n_vocab": "vocabulary",
    "n_text_ctx": "text positions",
    "n_text_state": "decoder width",
    "n_text_head": "decoder heads",
    "n_text_layer": "decoder layers",
}
