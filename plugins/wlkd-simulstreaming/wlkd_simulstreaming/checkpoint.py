"""The decoder's file: an OpenAI Whisper checkpoint, `{"dims": …, "model_state_dict": …}`."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wlkd import ProvisionError


@dataclass(frozen=True)
class Dims:
    """Shape of a Whisper model, named as in the checkpoint."""

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


@dataclass(frozen=True)
class Checkpoint:
    """Weights by OpenAI's names, as stored (usually float16)."""

    path: Path
    dims: Dims
    weights: dict[str, Tensor]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; runs no code from it. Raises `ProvisionError`."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise ProvisionError(
            f"{path}: not a readable checkpoint ({type(error).__name__}: {str(error).splitlines()[0]}); "
            f"perhaps half-copied: copy it again, or `wlkd models verify {path.stem}`"
        ) from error
    try:
        dims = Dims(**{field.name: int(content["dims"][field.name]) for field in fields(Dims)})
        weights = dict(content["model_state_dict"])
        width, vocabulary = weights["decoder.ln.weight"].shape[0], weights["decoder.token_embedding.weight"].shape[0]
    except (KeyError, TypeError, IndexError) as error:
        raise ProvisionError(f"{path}: not a Whisper checkpoint in OpenAI's format (missing {error})") from error
    if (width, vocabulary) != (dims.n_text_state, dims.n_vocab):
        raise ProvisionError(f"{path}: its weights do not have the shape that its own `dims` state; copy it again")
    return Checkpoint(path, dims, weights)
